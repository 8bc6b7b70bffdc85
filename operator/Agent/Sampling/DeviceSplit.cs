using System.Runtime.InteropServices;
using Bursar.Agent.Nvml;
using Bursar.Agent.Pods;

namespace Bursar.Agent.Sampling;

/// <summary>A part of what a device did: a holder's, or nobody's with the reason.</summary>
/// <param name="Holder">The holder's place in the list, or -1.</param>
/// <param name="Reason">One of <see cref="UsageReasons"/> where it is nobody's.</param>
/// <param name="Weight">In proportion to the others.</param>
internal readonly record struct DevicePart(int Holder, string Reason, long Weight);

/// <summary>A pod that holds the device; without a UID where nobody knows it.</summary>
internal readonly record struct DeviceHolder(string Namespace, string Pod, string? Uid);

/// <summary>
/// Pure: whose the device's work was. By the driver's own measure of each process since the last sample; where it has none, equally
/// among those who have a process on the device. The weights only divide what the device did: nothing is counted twice, and what is
/// no pod's is named.
/// </summary>
internal static class DeviceSplit
{
    /// <param name="reading">The device.</param>
    /// <param name="holders">The pods that hold it.</param>
    /// <param name="ownerOf">Whose a process is.</param>
    public static List<DevicePart> Of(GpuReading reading, IReadOnlyList<DeviceHolder> holders, Func<int, ProcessOwner> ownerOf)
    {
        var used = new Dictionary<(int Holder, string Reason), long>();
        var present = new Dictionary<(int Holder, string Reason), long>();
        foreach (var samples in reading.ProcessUse.GroupBy(use => use.Pid))
        {
            // A process may have several samples since the last reading: their mean, in thousandths.
            long percent = samples.Sum(use => use.SmPercent * 1000L) / samples.Count();
            if (percent > 0 && Whose(samples.Key, holders, ownerOf) is { } whose)
                CollectionsMarshal.GetValueRefOrAddDefault(used, whose, out _) += percent;
        }
        foreach (int pid in reading.Processes.Select(process => process.Pid).Concat(reading.ProcessUse.Select(use => use.Pid)))
        {
            if (Whose(pid, holders, ownerOf) is { } whose)
                present[whose] = 1;
        }
        if (reading.PodUse.Count > 0)
        {
            used.Clear();
            foreach (var use in reading.PodUse.Where(use => use.SmPercent > 0))
            {
                int holder = holders.TakeWhile(h => (h.Namespace, h.Pod) != (use.Namespace, use.Pod)).Count();
                CollectionsMarshal.GetValueRefOrAddDefault(
                    used,
                    holder < holders.Count ? (holder, "") : (-1, UsageReasons.ProcessUnknown),
                    out _
                ) += use.SmPercent;
            }
        }
        var weights = used.Count > 0 ? used : present;
        if (weights.Count == 0)
        {
            weights[
                holders.Count switch
                {
                    0 => (-1, UsageReasons.NobodysDevice),
                    1 => (0, ""),
                    _ => (-1, UsageReasons.NoProcessSeen),
                }
            ] = 1;
        }
        return
        [
            .. weights
                .Select(weight => new DevicePart(weight.Key.Holder, weight.Key.Reason, weight.Value))
                .OrderBy(part => part.Holder)
                .ThenBy(part => part.Reason, StringComparer.Ordinal),
        ];
    }

    /// <summary>Null for an MPS server, whose clients are asked instead.</summary>
    private static (int Holder, string Reason)? Whose(int pid, IReadOnlyList<DeviceHolder> holders, Func<int, ProcessOwner> ownerOf)
    {
        var owner = ownerOf(pid);
        switch (owner.Kind)
        {
            case ProcessKind.MpsServer:
                return null;
            case ProcessKind.Host:
                return (-1, UsageReasons.HostProcess);
            case ProcessKind.Pod:
                for (int i = 0; i < holders.Count; i++)
                {
                    if (holders[i].Uid == owner.PodUid)
                        return (i, "");
                }
                // A pod that came since the last sample holds the device from this one on, or the only holder is this very pod.
                return holders.Count == 1 && holders[0].Uid is null ? (0, "") : (-1, UsageReasons.ProcessUnknown);
            default:
                return holders.Count == 1 ? (0, "") : (-1, UsageReasons.ProcessUnknown);
        }
    }
}
