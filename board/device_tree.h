/*
 * The device tree, read with libfdt: the few questions that boards and the boot ask.
 *
 * Owns: the pointer to the blob, which lies where the loader put it and is never written. Answers are looked up each
 * time; all of this is for the boot, before threads run: libfdt.a is compiled with floating point, which threads trap.
 * Nodes are libfdt's offsets; negative means none. Nodes whose status is not okay do not exist here.
 *
 * Addresses are those that the CPU uses: `ranges` of the buses between a node and the root are followed.
 * Manual: Devicetree Specification 0.4, sections 2.3 (standard properties), 3 (required nodes), 5 (format).
 */
#ifndef BOARD_DEVICE_TREE_H
#define BOARD_DEVICE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_TREE_BYTES 0x1000000 /* more than this is no device tree: the booting protocol allows 2 MiB */

/* Checks the whole blob, of at most `size` bytes, and keeps it. NULL, or what is wrong with it. */
const char *device_tree_open(const void *blob, size_t size);
const void *device_tree_blob(void);
size_t device_tree_size(void);

/* The first node behind `after` (-1: of all) that is compatible. */
int device_tree_next(int after, const char *compatible);
/* The node at a path or alias; options behind a colon are ignored. */
int device_tree_path(const char *path);
bool device_tree_compatible(int node, const char *compatible);
/* Whether a node exists in the sense above, for who walks the tree by himself. */
bool device_tree_okay(int node);

/*
 * Entry `index` of `reg`, by the cells of the node's parent, as an address of the CPU's. False when there is none, or
 * when a bus on the way does not pass it on.
 */
bool device_tree_reg(int node, unsigned index, uint64_t *address, uint64_t *size);

/* The number that `reg` gives a node on a bus that has no addresses, as a CPU's below /cpus. */
bool device_tree_id(int node, uint64_t *id);

/* Entry `index` of `interrupts` of a node below a GIC, as an INTID. */
bool device_tree_irq(int node, unsigned index, unsigned *irq);

/* The same of three cells that stand elsewhere: kind, number, flags. False when they name none. */
bool device_tree_gic_irq(const void *cells, unsigned *irq);

/*
 * #address-cells and #size-cells of a bus: how many numbers of 4 bytes make an address and a size in its children's reg. Two and one
 * when the tree says nothing (2.3.5), negative when it says nonsense.
 */
int device_tree_address_cells(int bus);
int device_tree_size_cells(int bus);

/* A string, NULL when the node lacks it or it does not end. */
const char *device_tree_string(int node, const char *property);

/* One number of 4 or 8 bytes, by the property's length. */
bool device_tree_number(int node, const char *property, uint64_t *value);

/* clock-frequency of the first of the node's clocks; 0 when it is not known. */
uint64_t device_tree_clock(int node);

#endif
