using System.Runtime.InteropServices;
using Bursar.Agent.Nvml;
using Bursar.Agent.Pods;

namespace Bursar.Agent.Sampling;

/// <summary>A part of a device's activity that is attributed to a holder, or to no holder with a reason.</summary>
/// <param name="Holder">Index in the list of holders, or -1 if the activity cannot be attributed to one.</param>
/// <param name="Reason">One of <see cref="UsageReasons"/> if <paramref name="Holder"/> is -1, else empty.</param>
/// <param name="Weight">Relative to the weights of the other parts.</param>
internal readonly record struct DevicePart(int Holder, string Reason, long Weight);

/// <summary>A pod that holds the device. <paramref name="Uid"/> is null while it is unknown.</summary>
internal readonly record struct DeviceHolder(string Namespace, string Pod, string? Uid);

/// <summary>
/// Divides a device's activity among the pods that hold it, by the driver's utilization of each process since the last sample.
/// Without that figure, all holders with a process on the device get equal parts. Activity of no pod becomes a part with a reason,
/// so that nothing is counted twice or lost. Pure.
/// </summary>
internal static class DeviceSplit
{
    public static List<DevicePart> Divide(GpuReading reading, IReadOnlyList<DeviceHolder> holders, Func<int, ProcessOwner> ownerOf)
    {
        var used = new Dictionary<(int Holder, string Reason), long>();
        var present = new Dictionary<(int Holder, string Reason), long>();
        foreach (var samples in reading.ProcessUse.GroupBy(use => use.Pid))
        {
            // A process may have several samples since the last reading; use their mean, in thousandths of a percent.
            long percent = samples.Sum(use => use.SmPercent * 1000L) / samples.Count();
            if (percent > 0 && PartOf(samples.Key, holders, ownerOf) is { } whose)
                CollectionsMarshal.GetValueRefOrAddDefault(used, whose, out _) += percent;
        }
        foreach (int pid in reading.Processes.Select(process => process.Pid).Concat(reading.ProcessUse.Select(use => use.Pid)))
        {
            if (PartOf(pid, holders, ownerOf) is { } whose)
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
                    0 => (-1, UsageReasons.DeviceWithoutPod),
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

    /// <summary>Returns the part that a process belongs to. Null for an MPS server, because its clients are counted instead.</summary>
    private static (int Holder, string Reason)? PartOf(int pid, IReadOnlyList<DeviceHolder> holders, Func<int, ProcessOwner> ownerOf)
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
                // A single holder without a UID may be this pod. Otherwise the pod started after the last sample and is not a holder yet.
                return holders.Count == 1 && holders[0].Uid is null ? (0, "") : (-1, UsageReasons.ProcessUnknown);
            default:
                return holders.Count == 1 ? (0, "") : (-1, UsageReasons.ProcessUnknown);
        }
    }
}
