/*
 * Gives the functions of core/string.h names of their own, so that they can stand in one program beside the C library's.
 * Included before core/string.h by the build of core/string.c for the host (-include) and by its tests.
 */
#define memcpy  kernel_memcpy
#define memmove kernel_memmove
#define memset  kernel_memset
#define memcmp  kernel_memcmp
#define memchr  kernel_memchr
#define strlen  kernel_strlen
#define strnlen kernel_strnlen
#define strcmp  kernel_strcmp
#define strncmp kernel_strncmp
#define strchr  kernel_strchr
#define strrchr kernel_strrchr
