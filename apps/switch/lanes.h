/* Where the lanes of the switch run, for its table of services and its forwarder. */
#ifndef APPS_SWITCH_LANES_H
#define APPS_SWITCH_LANES_H

#define LANES_CPU 2 /* the first one's CPU, modulo those there are; each further lane on the next */

#endif
