/*
 * The spin table: firmware without PSCI holds each CPU in a loop (WFE) until an address appears in its release word, and
 * sends it there with nothing in its registers. Becomes a method of cpu_start.h.
 *
 * Owns: the words from which a released CPU takes where to go and with what; they serve one CPU at a time, as cpu_start
 * is used. The release words belong to the firmware and lie in RAM that is in the linear map.
 * References: Devicetree Specification 0.4, 3.8.1 (cpu-release-addr); Linux Documentation/arch/arm64/booting.rst.
 */
#ifndef DRIVERS_SPIN_TABLE_H
#define DRIVERS_SPIN_TABLE_H

void spin_table_init(void);

#endif
