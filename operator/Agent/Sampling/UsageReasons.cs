namespace Bursar.Agent.Sampling;

/// <summary>Why an interval tells who held a device, but not what the device did for it.</summary>
public static class UsageReasons
{
    /// <summary>The device is a MIG instance or is cut into some.</summary>
    public const string MigNotAttributed = "mig-not-attributed";

    /// <summary>Several pods hold the device (time-slicing, MPS), or the pod holds a replica of it.</summary>
    public const string SharedDevice = "shared-device";

    /// <summary>The device fell off the bus.</summary>
    public const string DeviceLost = "device-lost";

    /// <summary>The driver does not answer, does not know the device, or does not tell its utilisation.</summary>
    public const string DeviceUnreadable = "device-unreadable";
}
