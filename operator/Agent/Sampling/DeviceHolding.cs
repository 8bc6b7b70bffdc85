using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;

namespace Bursar.Agent.Sampling;

/// <summary>A pod holds a device at this moment.</summary>
/// <param name="Key">Who and what.</param>
/// <param name="PodUid">Null while nobody could tell.</param>
/// <param name="Reason">One of <see cref="UsageReasons"/> when the device's work cannot be told to be this pod's.</param>
public sealed record DeviceHolding(HoldingKey Key, string? PodUid, string? Reason);

/// <summary>
/// Where several containers of one pod list the same device (an init container and its successor), the first stands for
/// the pod, since a second of a device is counted once.
/// </summary>
public readonly record struct HoldingKey(string Namespace, string Pod, string Container, string Device);

/// <summary>Pure: the kubelet's list of devices and the GPUs' readings give who holds what.</summary>
public static class DeviceHoldings
{
    /// <param name="devices">What the kubelet lists.</param>
    /// <param name="gpus">The readings of this moment.</param>
    /// <param name="resolveUid">Namespace, name and processes on devices that the pod holds alone, to UID.</param>
    public static List<DeviceHolding> Of(
        IReadOnlyList<PodDevice> devices, GpuSnapshot gpus, Func<string, string, IReadOnlyList<int>, string?> resolveUid)
    {
        var byDevice = new Dictionary<string, List<(PodDevice Holder, DeviceId Id)>>(StringComparer.Ordinal);
        foreach (var holder in devices)
        {
            var id = DeviceId.Parse(holder.DeviceId);
            if (!byDevice.TryGetValue(id.Device, out var holders))
                byDevice[id.Device] = holders = [];
            holders.Add((holder, id));
        }

        var holdings = new List<DeviceHolding>();
        var pids = new Dictionary<(string, string), List<int>>();
        foreach (var (device, holders) in byDevice)
        {
            var pods = holders.DistinctBy(h => (h.Holder.Namespace, h.Holder.Pod)).ToList();
            var reading = gpus.Devices.FirstOrDefault(r => r.Uuid == device);
            string? reason = Reason(pods.Count, holders, reading);
            foreach (var (holder, _) in pods)
            {
                if (pods.Count == 1 && reading is not null)
                {
                    if (!pids.TryGetValue((holder.Namespace, holder.Pod), out var list))
                        pids[(holder.Namespace, holder.Pod)] = list = [];
                    list.AddRange(reading.Processes.Select(p => p.Pid));
                }
                holdings.Add(new DeviceHolding(new HoldingKey(holder.Namespace, holder.Pod, holder.Container, device), null, reason));
            }
        }
        for (int i = 0; i < holdings.Count; i++)
        {
            var key = holdings[i].Key;
            IReadOnlyList<int> processes = pids.TryGetValue((key.Namespace, key.Pod), out var list) ? list : [];
            holdings[i] = holdings[i] with { PodUid = resolveUid(key.Namespace, key.Pod, processes) };
        }
        return holdings;
    }

    private static string? Reason(int pods, List<(PodDevice Holder, DeviceId Id)> holders, GpuReading? reading)
    {
        if (holders.Exists(h => h.Id.Kind == DeviceKind.Mig || h.Holder.Resource.StartsWith("nvidia.com/mig-", StringComparison.Ordinal)) || reading is { Mig: true })
            return UsageReasons.MigNotAttributed;
        if (pods > 1 || holders.Exists(h => h.Id.Kind == DeviceKind.Shared || h.Holder.Resource == "nvidia.com/gpu.shared"))
            return UsageReasons.SharedDevice;
        return reading switch
        {
            null => UsageReasons.DeviceUnreadable,
            { Lost: true } => UsageReasons.DeviceLost,
            { UtilizationPercent: null } => UsageReasons.DeviceUnreadable,
            _ => null,
        };
    }
}
