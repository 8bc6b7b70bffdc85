using System.Collections.Immutable;
using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Core.Text;

namespace Bursar.Core.Prices;

/// <summary>
/// The GPUs of a node according to its labels and resources: the product, the number of cards, and the part of a card that one unit of each
/// resource is. A slot of a shared device is the device divided by its slots, however many are in use.
/// </summary>
public sealed record NodeDevices
{
    public const string WholeGpu = "nvidia.com/gpu";
    public const string SharedGpu = "nvidia.com/gpu.shared";
    public const string AmdGpu = "amd.com/gpu";

    private const string Gaudi = "habana.ai/gaudi";
    public const string ProductLabel = "nvidia.com/gpu.product";

    private const string Nvidia = "nvidia.com/";
    private const string Mig = "nvidia.com/mig-";
    private const string Shared = ".shared";
    private const int MostDevices = 4096;

    private IReadOnlyDictionary<string, string> _labels = ImmutableDictionary<string, string>.Empty;

    /// <summary>The card's product, without GPU feature discovery's suffixes for slices and slots. Empty: unknown.</summary>
    public string Product { get; private init; } = "";

    /// <summary>The number of cards, however they are partitioned.</summary>
    public int Cards { get; private init; }

    /// <summary>The profile of every device, if all cards are partitioned alike and appear as whole GPUs.</summary>
    private string? SingleProfile { get; init; }

    private int CapacityOfWhole { get; init; }

    private HamiRegister? Hami { get; init; }

    private GpuResources Table { get; init; } = GpuResources.BuiltIn;

    /// <summary>The GPU resources of vendors other than NVIDIA and AMD.</summary>
    private IReadOnlyCollection<string> Others { get; init; } = [];

    /// <summary>Resources that look like GPUs and are not in the table.</summary>
    public IReadOnlyList<string> Unknown { get; private init; } = [];

    /// <summary>
    /// Returns the product from the driver's card names, in the spelling of feature discovery. Null unless all are alike. Used for nodes
    /// without product labels.
    /// </summary>
    public static string? ProductNamed(IEnumerable<string> cards)
    {
        string[] names = [.. cards.Distinct(StringComparer.Ordinal).Take(2)];
        return names is [{ Length: > 0 and <= 63 } name] ? name.Trim().Replace(' ', '-') : null;
    }

    /// <param name="capacity">The node's extended resources.</param>
    /// <param name="hami">HAMi's list of cards.</param>
    /// <param name="table">The table of GPU resources. Null: the built-in one.</param>
    /// <param name="dra">The node's devices published by DRA drivers.</param>
    public static NodeDevices From(
        IReadOnlyDictionary<string, string> labels,
        IReadOnlyDictionary<string, string> capacity,
        HamiRegister? hami = null,
        GpuResources? table = null,
        IReadOnlyList<DraDevice>? dra = null
    )
    {
        table ??= GpuResources.BuiltIn;
        var product = Text(labels, ProductLabel);
        if (product.EndsWith("-SHARED", StringComparison.Ordinal))
            product = product[..^"-SHARED".Length];
        string? profile = null;
        if (product.LastIndexOf("-MIG-", StringComparison.Ordinal) is > 0 and var at)
        {
            profile = product[(at + "-MIG-".Length)..];
            product = product[..at];
        }
        if (profile is null && Text(labels, "cloud.google.com/gke-gpu-partition-size") is { Length: > 0 } partition)
            profile = partition;
        if (product.Length == 0)
            product = Text(labels, "amd.com/gpu.product-name");
        // GKE's own device plugin writes no product, but its accelerator name is one.
        if (product.Length == 0)
            product = Text(labels, "cloud.google.com/gke-accelerator");

        if (product.Length == 0)
            product = Text(labels, "gpu.intel.com/product");
        if (product.Length == 0)
            product = hami?.Product ?? "";
        // One label cannot distinguish cards of several products.
        string[] products = dra is null
            ? []
            : [.. dra.Select(device => device.Product).Where(name => name.Length > 0).Distinct(StringComparer.Ordinal).Take(2)];
        if (products.Length > 1)
            product = "";
        else if (product.Length == 0 && products.Length == 1)
            product = products[0];
        // If no vendor's discovery will add a product later, the resource's name is the product.
        if (product.Length == 0)
            product = capacity
                .Keys.Where(resource => (resource == Gaudi || table.IsAdded(resource)) && Count(capacity, resource) > 0)
                .Order(StringComparer.Ordinal)
                .FirstOrDefault()
                ?? "";

        var whole = Count(capacity, WholeGpu);
        var read = new NodeDevices
        {
            _labels = labels,
            Product = product,
            SingleProfile = profile,
            CapacityOfWhole = whole,
            Hami = hami,
            Table = table,
            Others =
            [
                .. capacity.Keys.Where(resource =>
                    table.IsGpu(resource)
                    && !resource.StartsWith(Nvidia, StringComparison.Ordinal)
                    && !resource.StartsWith("amd.com/", StringComparison.Ordinal)
                ),
            ],
            Unknown =
                capacity.Keys.All(resource => table.KindOf(resource) != GpuResourceKind.Unknown) || capacity.Keys.Any(table.IsGpu)
                    ? []
                    :
                    [
                        .. capacity
                            .Keys.Where(resource => table.KindOf(resource) == GpuResourceKind.Unknown && Count(capacity, resource) > 0)
                            .Order(StringComparer.Ordinal),
                    ],
        };
        // A device plugin and a DRA driver on one node publish the same cards.
        return read with
        {
            Cards = Math.Max(read.CountCards(capacity), dra?.Select(device => device.Card).Distinct(StringComparer.Ordinal).Count() ?? 0),
        };
    }

    /// <summary>Returns the part of a card that one unit of a resource is, or <see cref="DeviceShare.Unknown"/>.</summary>
    public DeviceShare ShareOf(string resource)
    {
        if (!Table.IsGpu(resource))
            return DeviceShare.Unknown;
        // Cards that are all partitioned alike appear as whole GPUs.
        if (resource == AmdGpu)
            return Text(_labels, "amd.com/compute-memory-partition") is { Length: > 0 } partition
                ? AmdPartition.Parse(partition, Product) ?? DeviceShare.Unknown
                : DeviceShare.Whole;
        if (
            resource.StartsWith("amd.com/", StringComparison.Ordinal)
            && AmdPartition.Parse(resource["amd.com/".Length..], Product) is { } part
        )
            return part;
        var name = resource.EndsWith(Shared, StringComparison.Ordinal) ? resource[..^Shared.Length] : resource;
        if (resource.StartsWith(Nvidia, StringComparison.Ordinal) && !resource.StartsWith(Mig, StringComparison.Ordinal))
        {
            if (VgpuProfile.Find(name) is not null)
                return DeviceShare.Unknown;
            var device = SingleProfile is null ? DeviceShare.Whole : MigProfile.ShareOf(SingleProfile, Product) ?? DeviceShare.Unknown;
            return device / SlotsOf(WholeGpu);
        }
        // The share of a resource that the node does not have is unknown.
        if (!resource.StartsWith(Mig, StringComparison.Ordinal))
            return Others.Contains(resource) ? DeviceShare.Whole : DeviceShare.Unknown;
        return (MigProfile.ShareOf(name[Mig.Length..], Product) ?? DeviceShare.Unknown) / SlotsOf(name);
    }

    /// <summary>Returns the part of a card for an amount of its memory, at most the card.</summary>
    public DeviceShare ShareOfMemory(int mebibytes) =>
        SingleProfile is null && (Label("nvidia.com/gpu.memory") ?? Hami?.MemoryMiB) is > 0 and var all
            ? DeviceShare.Sum(new(0, 1), new(Math.Min(mebibytes, all), all))
            : DeviceShare.Unknown;

    private int CountCards(IReadOnlyDictionary<string, string> capacity)
    {
        var units = 0;
        foreach (var resource in capacity.Keys)
            if (
                resource.StartsWith(Nvidia, StringComparison.Ordinal)
                && !resource.StartsWith(Mig, StringComparison.Ordinal)
                && Table.IsGpu(resource)
            )
                units += Count(capacity, resource);
        if (SingleProfile is not null)
        {
            // This label counts MIG devices, so the cards are the least number that these need.
            var devices = Label("nvidia.com/gpu.count") is { } count
                ? count
                : (units + Math.Max(1, SlotsOf(WholeGpu)) - 1) / Math.Max(1, SlotsOf(WholeGpu));
            return MigProfile.MostPerCard(SingleProfile, Product) is { } most ? (devices + most - 1) / most : 0;
        }
        var cut = capacity.Keys.Any(resource => resource.StartsWith(Mig, StringComparison.Ordinal) && Count(capacity, resource) > 0);
        var slots = SlotsOf(WholeGpu);
        // HAMi's resource counts a card as often as it may be shared.
        if (!cut && Hami is { } hami && units > 0)
            return Math.Min(hami.Cards, units);
        if (!cut && slots <= 1)
            return units > 0 ? units : CardsFor(capacity, resource => !resource.StartsWith(Nvidia, StringComparison.Ordinal));
        if (Label("nvidia.com/gpu.count") is { } cards)
            return cards;
        // Without the label: the least number of cards that the resources need.
        return (units + Math.Max(1, slots) - 1) / Math.Max(1, slots)
            + CardsFor(capacity, resource => resource.StartsWith(Mig, StringComparison.Ordinal));
    }

    /// <summary>Returns the least number of cards that the resources need. Parts are summed exactly and rounded up.</summary>
    private int CardsFor(IReadOnlyDictionary<string, string> capacity, Func<string, bool> counts)
    {
        var parts = new DeviceShare(0, 1);
        foreach (var resource in capacity.Keys)
            if (counts(resource) && Table.IsGpu(resource) && ShareOf(resource) is { IsKnown: true } share)
                parts = DeviceShare.Sum(parts, share * Count(capacity, resource));
        return parts.IsKnown ? (parts.Parts + parts.Of - 1) / parts.Of : 0;
    }

    /// <summary>
    /// Returns the number of slots of a shared device: 1 if it is not shared, 0 if it is shared but the number is unknown.
    /// </summary>
    private int SlotsOf(string resource)
    {
        if (Label($"{(resource == WholeGpu ? "nvidia.com/gpu" : resource)}.replicas") is { } replicas)
            return Math.Max(1, replicas);
        if (resource != WholeGpu)
            return 1;
        if (Text(_labels, "cloud.google.com/gke-gpu-sharing-strategy").Length > 0)
            return Label("cloud.google.com/gke-max-shared-clients-per-gpu") ?? 0;
        if (!Text(_labels, ProductLabel).EndsWith("-SHARED", StringComparison.Ordinal))
            return 1;
        return Label("nvidia.com/gpu.count") is > 0 and var cards && CapacityOfWhole % cards == 0 ? CapacityOfWhole / cards : 0;
    }

    private int? Label(string name) =>
        Text(_labels, name) is { Length: > 0 and < 10 } text
        && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;

    private static string Text(IReadOnlyDictionary<string, string> labels, string name) =>
        labels.TryGetValue(name, out var value) ? value : "";

    private static int Count(IReadOnlyDictionary<string, string> capacity, string resource) =>
        capacity.TryGetValue(resource, out var text) && KubernetesQuantity.TryParse(text, out var count)
            ? (int)Math.Clamp(count.ToInt64(), 0, MostDevices)
            : 0;
}
