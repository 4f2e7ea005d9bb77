#!/bin/sh
# The first process of the Linux that Baton is measured against: forwards between eth0 and eth1, as `peer=` on the kernel's
# command line says (the kernel makes a variable of it), and then waits for lines on the console.
set -e
ip=/bin/ip # the real one: by its plain name, busybox takes its own, which knows no bridges

fail()
{
    echo "peer failed: $step"
    sync
    poweroff -f
}
trap fail EXIT

step="mounting /proc and /sys"
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in /modules/*.ko; do
    step="loading ${module##*/}"
    insmod "$module"
done

# For at most 5 seconds, until a file says what is wanted.
await()
{
    step="waiting for $1 to say $2"
    for tries in 1 2 3 4 5 6 7 8 9 10; do
        for again in 1 2 3 4 5; do
            [ "$(cat "$1")" = "$2" ] && return
            sleep 0.1
        done
    done
    false
}

step="setting up the $peer"
case $peer in
bridge)
    $ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
    for port in eth0 eth1; do
        $ip link set $port master br0 up
    done
    $ip link set br0 up
    await /sys/class/net/eth0/brport/state 3 # forwarding
    await /sys/class/net/eth1/brport/state 3
    ;;
router)
    echo 1 > /proc/sys/net/ipv4/ip_forward
    # The stations that the traffic generator plays (tools/native/frames.c).
    for number in 0 1; do
        $ip address add 10.0.$number.1/24 dev eth$number
        $ip link set eth$number up
        $ip neighbour add 10.0.$number.2 lladdr 02:00:00:00:00:0$((number + 1)) dev eth$number nud permanent
    done
    ;;
*)
    false
    ;;
esac
# Until then the kernel has no queue to send from.
await /sys/class/net/eth0/operstate up
await /sys/class/net/eth1/operstate up
step="answering on the console"
stty -echo
uname -rsv
echo "peer ready"

while read -r line; do
    case $line in
    stats)
        text=
        for port in eth0 eth1; do
            folder=/sys/class/net/$port/statistics
            text="$text $(cat $folder/rx_packets) $(cat $folder/tx_packets)"
        done
        echo "frames$text"
        ;;
    esac
done
