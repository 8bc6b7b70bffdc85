using System.Globalization;
using System.Text.RegularExpressions;
using Bursar.Agent.Nvml;

namespace Bursar.Agent.PodResources;

/// <summary>The kind of device that a device plugin's id names.</summary>
public enum DeviceKind
{
    WholeGpu,

    /// <summary>A replica of a device under time-slicing or MPS.</summary>
    Shared,

    Mig,
}

/// <summary>
/// A parsed device plugin id: <c>GPU-…</c> (whole), <c>GPU-…::2</c> (a replica), <c>MIG-…</c> (MIG; before driver 470
/// <c>MIG-GPU-…/1/0</c>), <c>MIG-…::0</c> (a replica of one), GKE's <c>nvidia0</c>, <c>nvidia0/vgpu3</c> (shared),
/// <c>nvidia0/gi1</c> and <c>nvidia0/gi1/vgpu2</c> (MIG), HAMi's <c>GPU-…-3</c> (shared), and for a ResourceClaim
/// <c>gpu.nvidia.com/node-1/gpu-0</c> or <c>gpu.nvidia.com/node-1/gpu-0-mig-9-0-1</c>.
/// </summary>
/// <param name="Kind">The kind of the device.</param>
/// <param name="Device">The device without the replica's suffix.</param>
public sealed partial record DeviceId(DeviceKind Kind, string Device)
{
    /// <summary>The DRA driver whose devices are GPUs.</summary>
    public const string ClaimDriver = "gpu.nvidia.com";

    /// <summary>The number in <c>/dev/nvidia0</c> if the id contains it instead of a UUID, else null.</summary>
    public int? Minor { get; init; }

    public int? GpuInstance { get; init; }

    /// <summary>The device plugin allocates the device to several containers at once.</summary>
    public bool Replica { get; init; }

    public static DeviceId Parse(string id)
    {
        int replica = id.IndexOf("::", StringComparison.Ordinal);
        string device = replica < 0 ? id : id[..replica];
        bool shared = replica >= 0;
        if (device.StartsWith("MIG-", StringComparison.Ordinal))
            return new DeviceId(DeviceKind.Mig, device) { Replica = shared };
        if (device.StartsWith(ClaimDriver + "/", StringComparison.Ordinal))
        {
            var claimed = Claimed().Match(device);
            return claimed.Success
                ? new DeviceId(DeviceKind.WholeGpu, device) { Minor = Int(claimed.Groups["minor"]) }
                : new DeviceId(device.Contains("-mig-", StringComparison.Ordinal) ? DeviceKind.Mig : DeviceKind.WholeGpu, device);
        }
        if (Gke().Match(device) is { Success: true } gke)
        {
            bool slot = gke.Groups["vgpu"].Success;
            bool instance = gke.Groups["gi"].Success;
            return new DeviceId(
                instance ? DeviceKind.Mig
                    : shared || slot ? DeviceKind.Shared
                    : DeviceKind.WholeGpu,
                slot ? device[..gke.Groups["vgpu"].Index] : device
            )
            {
                Minor = Int(gke.Groups["minor"]),
                GpuInstance = instance ? Int(gke.Groups["gi"]) : null,
                Replica = shared || slot,
            };
        }
        if (Hami().Match(device) is { Success: true } part)
            return new DeviceId(DeviceKind.Shared, part.Groups["gpu"].Value) { Replica = true };
        return new DeviceId(shared ? DeviceKind.Shared : DeviceKind.WholeGpu, device) { Replica = shared };
    }

    /// <summary>Returns the reading of this device, or null if there is none.</summary>
    public GpuReading? Find(IReadOnlyList<GpuReading> readings) =>
        readings.FirstOrDefault(r => r.Uuid == Device)
        ?? (
            Minor is { } minor && (Kind != DeviceKind.Mig || GpuInstance is not null)
                ? readings.FirstOrDefault(r =>
                    r.Minor == minor && r.GpuInstance == GpuInstance && (GpuInstance is not null || r.ParentUuid is null)
                )
                : null
        );

    private static int Int(Group group) => int.Parse(group.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    [GeneratedRegex("^nvidia(?<minor>[0-9]{1,4})(/gi(?<gi>[0-9]{1,4}))?(?<vgpu>/vgpu[0-9]+)?$", RegexOptions.ExplicitCapture)]
    private static partial Regex Gke();

    [GeneratedRegex("^(?<gpu>GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})-[0-9]+$", RegexOptions.ExplicitCapture)]
    private static partial Regex Hami();

    [GeneratedRegex("/gpu-(?<minor>[0-9]{1,4})$", RegexOptions.ExplicitCapture)]
    private static partial Regex Claimed();
}
