using System.Globalization;
using System.Numerics;
using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// The part of a device that one unit is: a card, a MIG slice, or a shared slot. The rate of a part is rounded down to a whole nano, so
/// that the parts of a card never cost more than the card.
/// </summary>
public readonly record struct DeviceShare(int Parts, int Of)
{
    public static readonly DeviceShare Whole = new(1, 1);

    /// <summary>An unknown part has no price.</summary>
    public static readonly DeviceShare Unknown;

    /// <summary>Parses an agent's text, such as <c>2/7</c> of a card. Unknown for <c>0/1</c> and for unreadable text.</summary>
    public static DeviceShare Parse(string text) =>
        text.Split('/') is [var parts, var of]
        && int.TryParse(parts, NumberStyles.None, CultureInfo.InvariantCulture, out var some)
        && int.TryParse(of, NumberStyles.None, CultureInfo.InvariantCulture, out var all)
        && some > 0
        && all >= some
            ? Reduced(some, all)
            : Unknown;

    public bool IsKnown => Of > 0;

    public bool IsWhole => Parts == Of && IsKnown;

    public long? NanoOf(long? deviceNano) =>
        !IsKnown || deviceNano is not { } nano ? null
        : Parts == Of ? nano
        : (long)((Int128)nano * Parts / Of);

    public GpuHourPrice? RateOf(GpuHourPrice? device) => NanoOf(device?.NanoPerGpuHour) is { } nano ? new GpuHourPrice(nano) : null;

    /// <summary>Returns the sum in lowest terms.</summary>
    public static DeviceShare Sum(DeviceShare left, DeviceShare right) =>
        left.IsKnown && right.IsKnown
            ? Reduced((long)left.Parts * right.Of + (long)right.Parts * left.Of, (long)left.Of * right.Of)
            : Unknown;

    public static DeviceShare operator *(DeviceShare share, int units) =>
        share.IsKnown ? Reduced((long)share.Parts * units, share.Of) : Unknown;

    /// <summary>Returns one of several equal slots.</summary>
    public static DeviceShare operator /(DeviceShare share, int slots) =>
        share.IsKnown && slots > 0 ? Reduced(share.Parts, (long)share.Of * slots) : Unknown;

    private static DeviceShare Reduced(long parts, long of)
    {
        var divisor = (long)BigInteger.GreatestCommonDivisor(parts, of);
        return divisor > 0 && parts / divisor <= int.MaxValue && of / divisor <= int.MaxValue
            ? new((int)(parts / divisor), (int)(of / divisor))
            : Unknown;
    }

    public override string ToString() =>
        !IsKnown ? "an unknown part"
        : IsWhole ? "1"
        : string.Create(CultureInfo.InvariantCulture, $"{Parts}/{Of}");
}
