/*
 * Memory with store buffers, for the models in this folder.
 *
 * Each process has, for every variable, a place for one store that the others cannot see yet; a store leaves it at any
 * moment, in any order (as in PSO: stores to different variables overtake each other, and loads overtake stores). A
 * process sees its own stores at once. fence() waits until all of its stores are seen: DMB ISH, DSB. A release store is
 * fence() and then store(). An exclusive update is update(): seen at once, but orders nothing else.
 *
 * The model says how many PROCESSES and VARIABLES there are before it includes this file, and runs drain() for
 * what they store.
 */
byte memory[VARIABLES];
byte buffered[PROCESSES * VARIABLES];
bool pending[PROCESSES * VARIABLES];
byte stores_pending[PROCESSES];

#define AT(process, variable) ((process) * VARIABLES + (variable))
#define SEEN(process, variable)                                                                              \
    (pending[AT(process, variable)] -> buffered[AT(process, variable)] : memory[variable])

inline store(process, variable, value)
{
    atomic {
        !pending[AT(process, variable)];
        buffered[AT(process, variable)] = value;
        pending[AT(process, variable)] = true;
        stores_pending[process]++
    }
}

inline load(process, variable, target)
{
    target = SEEN(process, variable)
}

inline fence(process)
{
    stores_pending[process] == 0
}

/* The process's own stores to the variable go first: an exclusive load sees them. */
inline update(process, variable, condition, value)
{
    !pending[AT(process, variable)] && (condition);
    memory[variable] = value
}

/* What makes the stores of one process to one variable seen; a model runs one for each pair that occurs. */
proctype drain(byte place)
{
end:
    do
    :: atomic {
           pending[place] -> memory[place % VARIABLES] = buffered[place];
           pending[place] = false;
           buffered[place] = 0;
           stores_pending[place / VARIABLES]--
       }
    od
}
