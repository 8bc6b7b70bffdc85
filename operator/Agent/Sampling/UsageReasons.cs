using Bursar.Core.Usage;

namespace Bursar.Agent.Sampling;

/// <summary>Why an interval does not tell what its device did for a pod, or tells of work that is no pod's.</summary>
public static class UsageReasons
{
    /// <summary>The pod holds a MIG device, or a GPU that is cut into some: NVML tells no activity there.</summary>
    public const string MigActivityUnknown = "mig-activity-unknown";

    /// <summary>The device fell off the bus.</summary>
    public const string DeviceLost = "device-lost";

    /// <summary>The driver does not answer, does not know the device, or does not tell its utilisation.</summary>
    public const string DeviceUnreadable = "device-unreadable";

    /// <summary>The pod holds the device for others (a KAI reservation), and nobody uses it.</summary>
    public const string ReservedForOthers = "reserved-for-others";

    /// <summary>A pod used the device without having asked for it: its cgroup tells which.</summary>
    public const string NotRequested = UsageInterval.NotRequested;

    /// <summary>A process of the node itself worked on the device.</summary>
    public const string HostProcess = "host-process";

    /// <summary>A shared device worked for a process whose pod could not be told.</summary>
    public const string ProcessUnknown = "process-unknown";

    /// <summary>A shared device worked, and the driver showed no process on it.</summary>
    public const string NoProcessSeen = "no-process-seen";

    /// <summary>A device worked that no pod holds.</summary>
    public const string NobodysDevice = "nobodys-device";
}
