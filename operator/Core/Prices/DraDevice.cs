using System.Collections.Immutable;
using Bursar.Core.Ledger;

namespace Bursar.Core.Prices;

/// <summary>A GPU, or a part of one, as a DRA driver publishes it in a ResourceSlice.</summary>
/// <param name="Driver">The driver, such as <c>gpu.nvidia.com</c>.</param>
/// <param name="Pool">The pool of devices, mostly the node's name.</param>
/// <param name="Name">The device in the pool.</param>
public sealed record DraDevice(string Driver, string Pool, string Name)
{
    /// <summary>The card's product in the letters of GPU feature discovery; empty where the driver tells none.</summary>
    public string Product { get; private init; } = "";

    /// <summary>Memory of the device in bytes; zero where the driver does not tell it.</summary>
    public long MemoryBytes { get; private init; }

    /// <summary>What part of a card it is.</summary>
    public DeviceShare Share { get; private init; } = DeviceShare.Whole;

    /// <summary>The card that it is, or is a part of; devices of one card have the same.</summary>
    public string Card { get; private init; } = "";

    /// <param name="driver">The driver.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="name">The device's name.</param>
    /// <param name="attributes">Its attributes as text, with or without the driver's domain in front.</param>
    /// <param name="memoryBytes">Its capacity <c>memory</c>.</param>
    public static DraDevice Of(string driver, string pool, string name, IReadOnlyDictionary<string, string> attributes, long memoryBytes)
    {
        var read =
            attributes.Count == 0
                ? ImmutableDictionary<string, string>.Empty
                : attributes
                    .GroupBy(pair => pair.Key[(pair.Key.IndexOf('/') + 1)..], pair => pair.Value, StringComparer.Ordinal)
                    .ToImmutableDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal);
        string? Text(string key) => read.TryGetValue(key, out var value) && value.Length > 0 ? value : null;
        var product = (Text("productName") ?? Text("model") ?? "").Trim().Replace(' ', '-');
        var type = Text("type") ?? "";
        var share = type.ToLowerInvariant() switch
        {
            // dcgm and NVIDIA's driver write both "mig" and profiles with a plus.
            "mig" => Text("profile") is { } profile ? MigProfile.ShareOf(profile, product) ?? DeviceShare.Unknown : DeviceShare.Unknown,
            "vf" or "vgpu" => DeviceShare.Unknown,
            _ => (Text("partitionProfile") ?? Text("computePartition")) is { } partition
                ? AmdPartition.Of(partition, product) ?? DeviceShare.Unknown
                : DeviceShare.Whole,
        };
        return new(driver, pool, name)
        {
            Product = product,
            MemoryBytes = memoryBytes,
            Share = share,
            Card = Text("parentUUID") ?? Text("pciAddr") ?? Text("parentPCIAddr") ?? Text("uuid") ?? $"{driver}/{pool}/{name}",
        };
    }

    /// <summary>
    /// The part of the card that an allocation of so much of the device's memory is, where several allocations share the device.
    /// </summary>
    public DeviceShare ShareOfMemory(long bytes)
    {
        const long mebibyte = 1024 * 1024;
        var (part, whole) = ((bytes + mebibyte - 1) / mebibyte, MemoryBytes / mebibyte);
        return !Share.IsWhole || whole is <= 0 or > int.MaxValue
            ? DeviceShare.Unknown
            : DeviceShare.Sum(new(0, 1), new((int)Math.Clamp(part, 0, whole), (int)whole));
    }
}
