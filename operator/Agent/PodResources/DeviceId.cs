using System.Text.RegularExpressions;

namespace Bursar.Agent.PodResources;

/// <summary>What kind of thing a device plugin's id names.</summary>
public enum DeviceKind
{
    WholeGpu,

    /// <summary>A replica of a device under time-slicing or MPS.</summary>
    Shared,

    Mig,
}

/// <summary>
/// A device plugin's id, read: <c>GPU-…</c> (whole), <c>GPU-…::2</c> (a replica), <c>MIG-…</c> and <c>nvidia0/gi0</c>
/// (MIG), <c>nvidia0/vgpu3</c> (shared on GKE). A replica of a MIG device is MIG.
/// </summary>
/// <param name="Kind">What the id names.</param>
/// <param name="Device">The device without the replica's suffix.</param>
public sealed partial record DeviceId(DeviceKind Kind, string Device)
{
    public static DeviceId Parse(string id)
    {
        int replica = id.IndexOf("::", StringComparison.Ordinal);
        string device = replica < 0 ? id : id[..replica];
        bool shared = replica >= 0;
        if (device.StartsWith("MIG-", StringComparison.Ordinal))
            return new DeviceId(DeviceKind.Mig, device);
        if (GkeMig().IsMatch(device))
            return new DeviceId(DeviceKind.Mig, CutVgpu(device));
        if (device.Contains("/vgpu", StringComparison.Ordinal))
            return new DeviceId(DeviceKind.Shared, CutVgpu(device));
        return new DeviceId(shared ? DeviceKind.Shared : DeviceKind.WholeGpu, device);
    }

    private static string CutVgpu(string device)
    {
        int at = device.IndexOf("/vgpu", StringComparison.Ordinal);
        return at < 0 ? device : device[..at];
    }

    [GeneratedRegex("^nvidia[0-9]+/gi[0-9]+(/vgpu[0-9]+)?$")]
    private static partial Regex GkeMig();
}
