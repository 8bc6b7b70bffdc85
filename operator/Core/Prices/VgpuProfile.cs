using System.Text.RegularExpressions;

namespace Bursar.Core.Prices;

/// <summary>
/// NVIDIA vGPU types, which the VM's driver reports as the product: <c>GRID A100-10C</c>, <c>NVIDIA A40-48Q</c>, MIG-backed <c>GRID
/// A100-2-10C</c>. A type is a part of a card, and the price of the whole card cannot be derived from it.
/// </summary>
public static partial class VgpuProfile
{
    /// <summary>Returns the type's size and series, such as <c>10C</c>. Null: a whole card.</summary>
    public static string? Find(string product) =>
        Shape().Match(product.Replace(' ', '-')) is { Success: true } match ? match.Groups["profile"].Value : null;

    /// <summary>Whether a glob over products names this profile, and not just every product with the card's model in its name.</summary>
    public static bool IsNamedBy(string pattern, string profile) =>
        pattern.Contains(profile, StringComparison.OrdinalIgnoreCase)
        || pattern.Contains("GRID", StringComparison.OrdinalIgnoreCase)
        || !pattern.EndsWith('*');

    // The size in GiB and the series: A (applications), B (desktops), C (compute), Q (workstations); B4 and ME are variants.
    [GeneratedRegex(
        "-(?:[0-9]-)?(?<profile>[0-9]{1,3}[ABCQ][0-9]?(?:ME|GFX)?)$",
        RegexOptions.CultureInvariant | RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Shape();
}
