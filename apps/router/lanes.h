/* Where the lanes of the router run, for its table of services and its lanes (apps/router/lane.h). */
#ifndef APPS_ROUTER_LANES_H
#define APPS_ROUTER_LANES_H

#define LANE_CPU 2 /* the first one's CPU, modulo those there are; each further lane on the next */

#endif
