using System.Globalization;
using System.Numerics;
using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// What part of a device one unit is: a card, a MIG slice of it, one of its shared slots. The rate of a part is rounded
/// down to a whole nano, so that parts which make up a card never cost more than it.
/// </summary>
public readonly record struct DeviceShare(int Parts, int Of)
{
    public static readonly DeviceShare Whole = new(1, 1);

    /// <summary>Nobody can say what part: such a unit has no price.</summary>
    public static readonly DeviceShare Unknown;

    /// <summary>As an agent writes it: <c>2/7</c> of a card. Unknown where it says <c>0/1</c>, or what cannot be read.</summary>
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

    /// <summary>The sum in lowest terms.</summary>
    public static DeviceShare Sum(DeviceShare left, DeviceShare right) =>
        left.IsKnown && right.IsKnown
            ? Reduced((long)left.Parts * right.Of + (long)right.Parts * left.Of, (long)left.Of * right.Of)
            : Unknown;

    public static DeviceShare operator *(DeviceShare share, int units) =>
        share.IsKnown ? Reduced((long)share.Parts * units, share.Of) : Unknown;

    /// <summary>One of so many equal slots of this.</summary>
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
