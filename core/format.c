/* The formatter of the log: see log.h for the formats that there are. */
#include "core/log.h"

#include "core/string.h"

struct output {
    char *buffer;
    size_t size;
    size_t length; /* as if there were room for all */
};

struct field {
    unsigned width;
    bool left; /* '-' */
    char pad;  /* ' ' or '0' */
};

static void put(struct output *out, char character)
{
    if (out->length + 1 < out->size)
        out->buffer[out->length] = character;
    out->length++;
}

static void put_text(struct output *out, const struct field *field, const char *text, size_t length)
{
    size_t fill = length < field->width ? field->width - length : 0;

    for (size_t i = 0; !field->left && i < fill; i++)
        put(out, field->pad);
    for (size_t i = 0; i < length; i++)
        put(out, text[i]);
    for (size_t i = 0; field->left && i < fill; i++)
        put(out, ' ');
}

static void put_number(struct output *out, const struct field *field, uint64_t value, unsigned base,
                       bool negative)
{
    char digits[24];
    char *first = digits + sizeof digits;
    struct field rest = *field;

    do {
        *--first = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative && field->pad == '0') { /* the sign goes in front of the zeros */
        put(out, '-');
        rest.width -= rest.width > 0;
    } else if (negative) {
        *--first = '-';
    }
    put_text(out, &rest, first, (size_t)(digits + sizeof digits - first));
}

static void put_signed(struct output *out, const struct field *field, int64_t value)
{
    put_number(out, field, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0);
}

/* Reads flags and width; returns where the conversion begins. */
static const char *field_parse(const char *format, struct field *field)
{
    *field = (struct field){.pad = ' '};
    for (; *format == '-' || *format == '0'; format++) {
        field->left |= *format == '-';
        if (*format == '0')
            field->pad = '0';
    }
    for (; *format >= '0' && *format <= '9'; format++)
        field->width = field->width * 10 + (unsigned)(*format - '0');
    if (field->left)
        field->pad = ' ';
    return format;
}

int log_format(char *buffer, size_t size, const char *format, va_list args)
{
    struct output out = {.buffer = buffer, .size = size};
    struct field field;

    while (*format) {
        if (*format != '%') {
            put(&out, *format++);
            continue;
        }
        format = field_parse(format + 1, &field);
        bool is_long = *format == 'l';
        while (*format == 'l')
            format++;
        switch (*format++) {
        case 's': {
            const char *text = va_arg(args, const char *);
            text = text ? text : "(null)";
            put_text(&out, &field, text, strlen(text));
            break;
        }
        case 'c': {
            char character = (char)va_arg(args, int);
            put_text(&out, &field, &character, 1);
            break;
        }
        case 'd':
            put_signed(&out, &field, is_long ? va_arg(args, long) : va_arg(args, int));
            break;
        case 'u':
            put_number(&out, &field, is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned), 10,
                       false);
            break;
        case 'x':
            put_number(&out, &field, is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned), 16,
                       false);
            break;
        case 'p':
            put_text(&out, &(struct field){.pad = ' '}, "0x", 2);
            put_number(&out, &field, (uint64_t)va_arg(args, void *), 16, false);
            break;
        case '%':
            put(&out, '%');
            break;
        default: /* the format ends inside a conversion, or it is none of ours: shown as it stands */
            put(&out, '%');
            format--;
            if (*format)
                put(&out, *format++);
            break;
        }
    }
    if (size)
        buffer[out.length < size ? out.length : size - 1] = 0;
    return (int)out.length;
}

int log_format_line(char *buffer, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int length = log_format(buffer, size, format, args);
    va_end(args);
    return length;
}
