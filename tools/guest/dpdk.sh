#!/bin/sh
# The first process of the guest that DPDK's testpmd runs in: gives it both NICs and huge pages, and becomes it.
# testpmd's first thread only waits for the end; the second one forwards. Both are bound to CPU 0, so that one CPU will do.
set -e

fail()
{
    echo "peer failed: $step"
    sync
    poweroff -f
}
trap fail EXIT

step="mounting /proc, /sys and /dev"
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*.ko; do
    step="loading ${module##*/}"
    insmod "$module"
done

step="giving the NICs to user space"
count=0
for device in /sys/bus/pci/devices/*; do
    if [ "$(cat $device/class)" = 0x020000 ]; then
        # Kernels with virtio built in have taken them already.
        [ ! -e $device/driver ] || echo ${device##*/} > $device/driver/unbind
        echo uio_pci_generic > $device/driver_override
        echo ${device##*/} > /sys/bus/pci/drivers_probe
        [ -e $device/uio ]
        count=$((count + 1))
    fi
done
[ $count = 2 ]

step="reserving huge pages"
chmod 755 / # or testpmd takes no plugins from below it
mkdir -p /dev/hugepages /var/run
echo $pages > /proc/sys/vm/nr_hugepages
[ "$(cat /proc/sys/vm/nr_hugepages)" = $pages ]
mount -t hugetlbfs none /dev/hugepages

step="testpmd, which ended"
stty -echo
uname -rsv
# It ends on the first line of its input, so none may ever come.
mkfifo /tmp/never
sleep 1000000000 > /tmp/never &
dpdk-testpmd --lcores=0@0,1@0 --main-lcore=0 --no-telemetry -- \
    --forward-mode=$mode --nb-cores=1 --total-num-mbufs=8192 --no-mlockall < /tmp/never
false
