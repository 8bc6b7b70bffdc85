using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Bursar.Core.Ledger;
using Bursar.Core.Text;

namespace Bursar.Core.Prices;

/// <summary>The kind of an extended resource.</summary>
public enum GpuResourceKind
{
    /// <summary>Not a GPU.</summary>
    None,

    /// <summary>A GPU, or a part of one as given by the node's labels or the name.</summary>
    Gpu,

    /// <summary>Looks like a GPU but is not in the table. It is reported and has no price.</summary>
    Unknown,
}

/// <summary>
/// The single table of GPUs: extended resources, DRA drivers and DeviceClasses. The operator and the agent share it, and the chart's value
/// <c>gpuResources</c> extends it. Thread-safe.
/// </summary>
public sealed partial class GpuResources
{
    /// <summary>The built-in table without additions.</summary>
    public static readonly GpuResources BuiltIn = new([]);

    /// <summary>The drivers of NVIDIA, AMD and Intel, which are also names of their DeviceClasses.</summary>
    private static readonly string[] Drivers = ["gpu.nvidia.com", "gpu.amd.com", "gpu.intel.com"];

    private static readonly string[] Classes = [.. Drivers, "mig.nvidia.com", "vfio.gpu.nvidia.com"];

    /// <summary>Domains whose resources are GPUs unless they are known to be something else.</summary>
    private static readonly string[] Vendors = ["nvidia.com", "amd.com", "gpu.intel.com", "habana.ai"];

    /// <summary>Tenants choose names of resources too, so the cache is bounded.</summary>
    private const int MostRemembered = 1024;

    private readonly string[] _more;
    private readonly string[] _less;
    private readonly ConcurrentDictionary<string, GpuResourceKind> _kinds = new(StringComparer.Ordinal);

    /// <param name="entries">Globs over names of resources, drivers and DeviceClasses that are GPUs as well. With a leading <c>!</c>, those
    /// that are not.</param>
    public GpuResources(IEnumerable<string> entries)
    {
        string[] all = [.. entries.Select(entry => entry.Trim()).Where(entry => entry.Length > 0)];
        _more = [.. all.Where(entry => entry[0] != '!')];
        _less = [.. all.Where(entry => entry[0] == '!').Select(entry => entry[1..])];
    }

    /// <summary>The help text of the option that extends the table, for both programs.</summary>
    public const string OptionText =
        "Extended resources, DRA drivers and DeviceClasses that are GPUs besides the built-in table's, as globs with commas between; with ! in front: that are none.";

    /// <summary>Reads a comma-separated option.</summary>
    public static GpuResources Parse(string option) =>
        new(option.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    /// <summary>Returns the table with further entries.</summary>
    public GpuResources With(IEnumerable<string> entries) => new([.. _more, .. _less.Select(entry => "!" + entry), .. entries]);

    /// <summary>Whether the user added the resource.</summary>
    public bool IsAdded(string resource) => Any(_more, resource) && !Any(_less, resource);

    /// <summary>Whether the user excluded the resource, driver or DeviceClass.</summary>
    public bool IsExcluded(string name) => Any(_less, name);

    public bool IsGpu(string resource) => KindOf(resource) == GpuResourceKind.Gpu;

    public GpuResourceKind KindOf(string resource)
    {
        // Native resources such as cpu and memory have no domain.
        if (!resource.Contains('/'))
            return GpuResourceKind.None;
        if (_kinds.TryGetValue(resource, out var known))
            return known;
        var kind = Decide(resource);
        if (_kinds.Count < MostRemembered)
            _kinds.TryAdd(resource, kind);
        return kind;
    }

    public bool IsDriver(string driver) => !Any(_less, driver) && (Drivers.Contains(driver) || Any(_more, driver));

    /// <summary>
    /// Whether the devices of a DeviceClass are GPUs, by its name or by a driver named in its selectors. Selectors are not evaluated
    /// otherwise.
    /// </summary>
    public bool IsDeviceClass(string name, IEnumerable<string> selectors) =>
        !Any(_less, name)
        && (
            Classes.Contains(name)
            || Any(_more, name)
            || selectors.Any(expression => DriverNames().Matches(expression).Any(match => IsDriver(match.Groups["driver"].Value)))
        );

    /// <summary>Whether an unknown driver or DeviceClass looks like one of GPUs.</summary>
    public bool LooksLikeGpus(string name) => !Any(_less, name) && !NotGpuNames().IsMatch(name) && GpuLikeNames().IsMatch(name);

    private GpuResourceKind Decide(string resource)
    {
        if (Any(_less, resource))
            return GpuResourceKind.None;
        if (Any(_more, resource))
            return GpuResourceKind.Gpu;
        var slash = resource.IndexOf('/');
        var (domain, name) = (resource[..slash], resource[(slash + 1)..]);
        var known = domain switch
        {
            "nvidia.com" => name is "gpu" or "pgpu" || name.StartsWith("mig-", StringComparison.Ordinal) || NvidiaNames().IsMatch(name),
            "amd.com" => name == "gpu" || AmdPartition.Parse(name) is not null,
            "gpu.intel.com" => name is "i915" or "xe",
            "habana.ai" => name == "gaudi",
            _ => false,
        };
        if (known)
            return GpuResourceKind.Gpu;
        if (domain.EndsWith("kubernetes.io", StringComparison.Ordinal) || NotGpuNames().IsMatch(name))
            return GpuResourceKind.None;
        return Vendors.Contains(domain) || GpuLikeNames().IsMatch(resource) ? GpuResourceKind.Unknown : GpuResourceKind.None;
    }

    private static bool Any(string[] globs, string name)
    {
        foreach (var glob in globs)
            if (Glob.IsMatch(glob, name))
                return true;
        return false;
    }

    // The names that device plugins (nvidia.com/a100, nvidia.com/tesla-v100) and passthrough plugins (nvidia.com/GA102GL_A10,
    // nvidia.com/GRID_T4-4Q) use for a product's cards. Renamed slots have the suffix .shared.
    [GeneratedRegex(
        "^gpu\\.shared$|(?:^|[-_. ])(?:a(?:2|10g?|16|30|40|100x?|800|2000|4000|4500|5000|6000)|h(?:20|100|200|800)|b(?:100|200|300)|g[bh](?:200|300)|l(?:2|4|20|40s?)|t4g?|v100s?|p(?:4|40|100)|k80|m60|rtx|gtx|geforce|tesla|quadro|titan|grid)(?![a-z0-9])|^(?:rtx|gtx)[0-9]",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant
    )]
    private static partial Regex NvidiaNames();

    [GeneratedRegex(
        "(?:^|[^a-z])(?:v|d|c|p|s)?gpus?(?:[^a-z]|$)|(?:^|[^a-z])mig(?:[^a-z]|$)|accelerator",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant
    )]
    private static partial Regex GpuLikeNames();

    // Networks beside GPUs, and permissions to monitor one.
    [GeneratedRegex(
        "(?:^|[^a-z])(?:v?nics?|mlnxnics|rdma|roce|hca|sriov|hostdev|infiniband|ib)(?:[^a-z]|$)|monitoring",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant
    )]
    private static partial Regex NotGpuNames();

    // device.driver == 'x', 'x' == device.driver, device.driver in ['x'], device.attributes['x'].profile: any text that is not compared by
    // !=.
    [GeneratedRegex("(?<!!=\\s*)[\"'](?<driver>[a-zA-Z0-9.-]+)[\"']", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex DriverNames();
}

/// <summary>
/// A compute partition of an AMD card, named by its compute and memory modes (<c>cpx_nps4</c>). SPX is the card, DPX a half, TPX a third,
/// QPX a quarter, CPX one accelerator die.
/// </summary>
public static class AmdPartition
{
    private const int DiesOfMi300A = 6;
    private const int Dies = 8;

    /// <summary>Returns the part of a card, or null if the name is not a partition.</summary>
    public static DeviceShare? Parse(string profile, string product = "")
    {
        var underscore = profile.IndexOf('_');
        if (underscore >= 0 && !profile.AsSpan(underscore).StartsWith("_nps", StringComparison.OrdinalIgnoreCase))
            return null;
        return (underscore < 0 ? profile : profile[..underscore]).ToLowerInvariant() switch
        {
            "spx" => DeviceShare.Whole,
            "dpx" => new(1, 2),
            "tpx" => new(1, 3),
            "qpx" => new(1, 4),
            "cpx" => new(1, product.Contains("MI300A", StringComparison.OrdinalIgnoreCase) ? DiesOfMi300A : Dies),
            _ => null,
        };
    }
}
