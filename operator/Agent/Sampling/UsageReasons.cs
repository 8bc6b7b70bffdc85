using Bursar.Core.Usage;

namespace Bursar.Agent.Sampling;

/// <summary>Why an interval has no activity of its device for a pod, or has activity that belongs to no pod. Values are stored.</summary>
public static class UsageReasons
{
    /// <summary>The pod holds a MIG device or a GPU in MIG mode, for which NVML reports no utilization.</summary>
    public const string MigActivityUnknown = "mig-activity-unknown";

    /// <summary>The device fell off the bus.</summary>
    public const string DeviceLost = "device-lost";

    /// <summary>The driver does not answer, does not know the device, or does not report its utilization.</summary>
    public const string DeviceUnreadable = "device-unreadable";

    /// <summary>The pod reserves the device for other pods (KAI), and none of them uses it.</summary>
    public const string ReservedForOthers = "reserved-for-others";

    /// <summary>A pod used the device without requesting it; its cgroup identifies it.</summary>
    public const string NotRequested = UsageInterval.NotRequested;

    /// <summary>A process of the node itself used the device.</summary>
    public const string HostProcess = "host-process";

    /// <summary>A shared device was used by a process whose pod is unknown.</summary>
    public const string ProcessUnknown = "process-unknown";

    /// <summary>A shared device was busy, and the driver listed no process on it.</summary>
    public const string NoProcessSeen = "no-process-seen";

    /// <summary>A device was busy that no pod holds.</summary>
    public const string DeviceWithoutPod = "device-without-pod";
}
