using System.Globalization;
using System.Text.RegularExpressions;
using Bursar.Core.Ledger;
using Bursar.Core.Text;

namespace Bursar.Core.Prices;

/// <summary>
/// Computes the share of a card that a MIG device is: the mean of its fractions of compute and memory in NVIDIA's MIG User Guide
/// ("Supported MIG Profiles": 3g.20gb of an A100 has 3/7 of the SMs and 4/8 of the memory, so 13/28). The mean is used because 3g.20gb and
/// 4g.20gb fill a card, and the larger fractions (1/2 + 4/7) would bill more than the card. The means of devices that fit on a card sum to
/// at most one.
/// </summary>
public static partial class MigProfile
{
    /// <summary>
    /// Compute slices, memory slices and gigabytes of a whole card. Most have seven and eight slices; A30 and the RTX PRO boards have four
    /// and four.
    /// </summary>
    private static readonly (string Product, int Compute, int Memory, int Gigabytes)[] Cards =
    [
        ("*A30*", 4, 4, 24),
        ("*RTX*PRO*6000*", 4, 4, 96),
        ("*A100*80GB*", 7, 8, 80),
        ("*A800*80GB*", 7, 8, 80),
        ("*A100*", 7, 8, 40),
        ("*A800*", 7, 8, 40),
        ("*GH200*144*", 7, 8, 144),
        ("*GH200*", 7, 8, 96),
        ("*H200*", 7, 8, 141),
        ("*H100*NVL*", 7, 8, 94),
        ("*H100*96GB*", 7, 8, 96),
        ("*H100*64GB*", 7, 8, 64),
        ("*H100*", 7, 8, 80),
        ("*H800*", 7, 8, 80),
        ("*H20*", 7, 8, 96),
        ("*GB300*", 7, 8, 278),
        ("*B300*", 7, 8, 269),
        ("*GB200*", 7, 8, 186),
        ("*B200*", 7, 8, 180),
    ];

    /// <summary>Returns null if the text is no profile or the card is unknown.</summary>
    public static DeviceShare? ShareOf(string profile, string product) =>
        Read(profile, product) is { } read
            // A compute instance has a part of the GPU instance's compute, and the same part of its memory.
            ? DeviceShare.Sum(
                new(read.Compute, 2 * read.ComputeOf),
                new(checked(read.Memory * read.Compute), checked(2 * read.MemoryOf * read.Instance))
            )
            : null;

    /// <summary>Returns how many devices of the same profile fit on one card, by compute and memory.</summary>
    public static int? MostPerCard(string profile, string product) =>
        Read(profile, product) is { } read
            ? Math.Max(1, Math.Min(read.ComputeOf / read.Compute, read.MemoryOf * read.Instance / (read.Memory * read.Compute)))
            : null;

    private static (int Compute, int Instance, int ComputeOf, int Memory, int MemoryOf)? Read(string profile, string product)
    {
        product = product.Replace(' ', '-');
        if (Shape().Match(profile) is not { Success: true } match)
            return null;
        foreach (var (pattern, computeOf, memoryOf, gigabytes) in Cards)
        {
            if (!Glob.IsMatch(pattern, product))
                continue;
            var instance = Number(match.Groups["g"]);
            var compute = match.Groups["c"].Success ? Number(match.Groups["c"]) : instance;
            var memory = 1;
            // Profiles contain rounded gigabytes (18 for an eighth of 141), so the nearest part that NVIDIA offers is used.
            for (var part = 2; part <= memoryOf; part *= 2)
                if (Distance(part) < Distance(memory))
                    memory = part;
            return compute >= 1 && compute <= instance && instance <= computeOf && Distance(memory) * 10 <= gigabytes * memory
                ? (compute, instance, computeOf, memory, memoryOf)
                : null;

            int Distance(int part) => Math.Abs(Number(match.Groups["m"]) * memoryOf - gigabytes * part);
        }
        return null;
    }

    private static int Number(Group group) => int.Parse(group.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    // 1g.5gb, 1c.3g.20gb, 1g.10gb+me; the plus is a dot in resource names.
    [GeneratedRegex(
        @"^(?:(?<c>[1-9])c\.)?(?<g>[1-9])g\.(?<m>[0-9]{1,3})gb(?:[.+-](?:me|gfx|me\.all|all))*$",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex Shape();
}
