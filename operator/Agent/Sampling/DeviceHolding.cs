using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Pods;

namespace Bursar.Agent.Sampling;

/// <summary>A pod's use of one device at the time of a sample.</summary>
/// <param name="PodUid">Null while the UID of the pod is unknown.</param>
/// <param name="Reason">One of <see cref="UsageReasons"/> if the device's activity for the pod cannot be measured, else null.</param>
public sealed record DeviceHolding(HoldingKey Key, string? PodUid, string? Reason)
{
    /// <summary>
    /// The share of the physical GPU: <c>1/1</c>, the slices of a MIG device (<c>2/7</c>), or <c>0/1</c> for a shared device. Only the
    /// operator knows how many slots a shared device has.
    /// </summary>
    public string Share { get; init; } = "1/1";

    /// <summary>True if the kubelet allocated the device to the pod; false if only a process of the pod was seen on the device.</summary>
    public bool Listed { get; init; } = true;
}

/// <summary>
/// Identifies a holding. If several containers of a pod list the same device (an init container and its successor), only the first is
/// used, so that each second of a device is counted once.
/// </summary>
public readonly record struct HoldingKey(string Namespace, string Pod, string Container, string Device);

/// <summary>Look-ups about the pods of the node, beyond the kubelet's list and the driver's readings.</summary>
/// <param name="ResolveUid">Returns the UID from namespace, name and the process ids on devices that the pod holds alone.</param>
/// <param name="OwnerOf">Returns the pod or host that a process id belongs to.</param>
/// <param name="NameOf">Returns the namespace and name of a pod UID.</param>
/// <param name="IsLive">True if the operator's targets include a pod of this namespace and name that has not ended.</param>
public sealed record PodKnowledge(
    Func<string, string, IReadOnlyList<int>, string?> ResolveUid,
    Func<int, ProcessOwner> OwnerOf,
    Func<string, (string Namespace, string Name)?> NameOf,
    Func<string, string, bool> IsLive
)
{
    public PodKnowledge(PodUidResolver uids)
        : this(uids.Resolve, uids.PodOf, uids.NameOf, uids.IsLive) { }
}

/// <summary>Derives the pods that hold each device from the kubelet's list and the GPU readings. Pure.</summary>
public static class DeviceHoldings
{
    /// <summary>The namespaces of pods with which KAI and Run:ai reserve a GPU for pods that use fractions of it.</summary>
    public static readonly IReadOnlyList<string> ReservationNamespaces = ["kai-resource-reservation", "runai-reservation"];

    public static List<DeviceHolding> Create(IReadOnlyList<PodDevice> devices, GpuSnapshot gpus, PodKnowledge pods)
    {
        var byDevice = new Dictionary<string, List<Holder>>(StringComparer.Ordinal);
        foreach (var listed in devices)
        {
            var id = DeviceId.Parse(listed.DeviceId);
            var reading = id.Find(gpus.Devices);
            string device = reading is { Uuid.Length: > 0 } ? reading.Uuid : id.Device;
            if (!byDevice.TryGetValue(device, out var holders))
                byDevice[device] = holders = [];
            holders.Add(new Holder(listed, id, reading));
        }
        foreach (var reading in gpus.Devices)
        {
            if (reading.Processes.Count > 0)
                byDevice.TryAdd(reading.Uuid, []);
        }

        var found = new List<(DeviceHolding Holding, GpuReading? Reading)>();
        var pids = new Dictionary<(string, string), List<int>>();
        foreach (var (device, holders) in byDevice)
        {
            var reading = holders.Count > 0 ? holders[0].Reading : gpus.Devices.First(r => r.Uuid == device);
            bool replicas = holders.Exists(h =>
                h.Id.Replica || h.Id.Kind == DeviceKind.Shared || h.Listed.Resource == "nvidia.com/gpu.shared"
            );
            var listed = holders.DistinctBy(h => (h.Listed.Namespace, h.Listed.Pod)).ToList();
            // Kubelets before 1.34 also list pods that have ended.
            if (!replicas && listed.Count > 1 && listed.Exists(h => pods.IsLive(h.Listed.Namespace, h.Listed.Pod)))
                listed.RemoveAll(h => !pods.IsLive(h.Listed.Namespace, h.Listed.Pod));
            foreach (var holder in listed)
            {
                string? reason = Reason(holder.Id, reading);
                if (ReservationNamespaces.Contains(holder.Listed.Namespace))
                    reason = UsageReasons.ReservedForOthers;
                else if (listed.Count == 1 && !replicas && reading is not null)
                {
                    if (!pids.TryGetValue((holder.Listed.Namespace, holder.Listed.Pod), out var list))
                        pids[(holder.Listed.Namespace, holder.Listed.Pod)] = list = [];
                    list.AddRange(reading.Processes.Select(p => p.Pid));
                }
                var holding = new DeviceHolding(
                    new HoldingKey(holder.Listed.Namespace, holder.Listed.Pod, holder.Listed.Container, device),
                    null,
                    reason
                )
                {
                    Share = listed.Count > 1 || replicas ? "0/1" : Share(holder.Id, reading, gpus),
                };
                found.Add((holding, reading));
            }
        }
        for (int i = 0; i < found.Count; i++)
        {
            var key = found[i].Holding.Key;
            IReadOnlyList<int> processes = pids.TryGetValue((key.Namespace, key.Pod), out var list) ? list : [];
            found[i] = (found[i].Holding with { PodUid = pods.ResolveUid(key.Namespace, key.Pod, processes) }, found[i].Reading);
        }

        var holdings = new List<DeviceHolding>(found.Count);
        foreach (var on in byDevice.Keys)
            holdings.AddRange(
                AddUnlistedUsers(
                    on,
                    [.. found.Where(f => f.Holding.Key.Device == on).Select(f => f.Holding)],
                    gpus.Devices.FirstOrDefault(r => r.Uuid == on),
                    pods
                )
            );
        return holdings;
    }

    /// <summary>Adds the pods that use the device without an allocation by the kubelet. They replace a reservation pod.</summary>
    private static IEnumerable<DeviceHolding> AddUnlistedUsers(
        string device,
        List<DeviceHolding> listed,
        GpuReading? reading,
        PodKnowledge pods
    )
    {
        var users = new List<DeviceHolding>();
        foreach (var process in reading?.Processes ?? [])
        {
            if (
                pods.OwnerOf(process.Pid) is not { Kind: ProcessKind.Pod, PodUid: { } uid }
                || listed.Exists(h => h.PodUid == uid)
                || users.Exists(h => h.PodUid == uid)
            )
            {
                continue;
            }
            var name = pods.NameOf(uid);
            // The kubelet lists this pod, but its UID was unknown until now.
            int same = listed.FindIndex(h => h.PodUid is null && name == (h.Key.Namespace, h.Key.Pod));
            if (same >= 0)
            {
                listed[same] = listed[same] with { PodUid = uid };
                continue;
            }
            string? reason = Reason(null, reading);
            users.Add(
                new DeviceHolding(new HoldingKey(name?.Namespace ?? "", name?.Name ?? uid, "", device), uid, reason)
                {
                    Share = "0/1",
                    Listed = false,
                }
            );
        }
        var holders = users.Count > 0 ? listed.Where(h => h.Reason != UsageReasons.ReservedForOthers) : listed;
        return holders.Concat(users);
    }

    private static string Share(DeviceId id, GpuReading? reading, GpuSnapshot gpus)
    {
        if (id.Kind != DeviceKind.Mig && reading?.ParentUuid is null)
            return "1/1";
        int? all = gpus.Devices.FirstOrDefault(r => r.Uuid == reading?.ParentUuid)?.Slices;
        return reading?.Slices is { } slices && all is { } whole && slices <= whole ? $"{slices}/{whole}" : "0/1";
    }

    private static string? Reason(DeviceId? id, GpuReading? reading) =>
        reading switch
        {
            null => id?.Kind == DeviceKind.Mig ? UsageReasons.MigActivityUnknown : UsageReasons.DeviceUnreadable,
            { Lost: true } => UsageReasons.DeviceLost,
            { Mig: true } or { ParentUuid: not null, UtilizationPercent: null } => UsageReasons.MigActivityUnknown,
            { UtilizationPercent: null } => UsageReasons.DeviceUnreadable,
            _ => null,
        };

    private sealed record Holder(PodDevice Listed, DeviceId Id, GpuReading? Reading);
}
