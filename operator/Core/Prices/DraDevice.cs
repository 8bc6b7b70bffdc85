using System.Collections.Immutable;
using Bursar.Core.Ledger;

namespace Bursar.Core.Prices;

/// <summary>A GPU or a part of one, as published by a DRA driver in a ResourceSlice.</summary>
/// <param name="Driver">The driver, such as <c>gpu.nvidia.com</c>.</param>
/// <param name="Pool">The pool of devices, usually the node's name.</param>
/// <param name="Name">The device's name in the pool.</param>
public sealed record DraDevice(string Driver, string Pool, string Name)
{
    /// <summary>The card's product in the spelling of GPU feature discovery. Empty: not published.</summary>
    public string Product { get; private init; } = "";

    /// <summary>The device's memory in bytes. Zero: not published.</summary>
    public long MemoryBytes { get; private init; }

    /// <summary>The part of a card that it is.</summary>
    public DeviceShare Share { get; private init; } = DeviceShare.Whole;

    /// <summary>Identifies the card that it is or belongs to.</summary>
    public string Card { get; private init; } = "";

    /// <param name="attributes">The attributes as text, with or without the driver's domain.</param>
    /// <param name="memoryBytes">The capacity <c>memory</c>.</param>
    public static DraDevice Create(
        string driver,
        string pool,
        string name,
        IReadOnlyDictionary<string, string> attributes,
        long memoryBytes
    )
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
                ? AmdPartition.Parse(partition, product) ?? DeviceShare.Unknown
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

    /// <summary>Returns the part of the card that an allocation of so much memory is, if several allocations share the device.</summary>
    public DeviceShare ShareOfMemory(long bytes)
    {
        const long mebibyte = 1024 * 1024;
        var (part, whole) = ((bytes + mebibyte - 1) / mebibyte, MemoryBytes / mebibyte);
        return !Share.IsWhole || whole is <= 0 or > int.MaxValue
            ? DeviceShare.Unknown
            : DeviceShare.Sum(new(0, 1), new((int)Math.Clamp(part, 0, whole), (int)whole));
    }
}
