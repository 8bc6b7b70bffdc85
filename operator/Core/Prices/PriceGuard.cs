using System.Globalization;
using Bursar.Core.Money;

namespace Bursar.Core.Prices;

/// <summary>
/// The bounds of a price that needs no approval by the user. A jump is measured from the smaller to the larger price, so that a fall to a
/// quarter counts as much as a rise to four times.
/// </summary>
public sealed record PriceGuard(GpuHourPrice? Min, GpuHourPrice? Max, int MaxJumpPercent)
{
    public const int DefaultJumpPercent = 300;

    public static readonly PriceGuard Default = new(null, null, DefaultJumpPercent);

    /// <summary>
    /// Returns why a price is not trusted, or null if it is. <paramref name="trusted"/> is the present price, if there is one.
    /// </summary>
    public string? Refuses(GpuHourPrice rate, GpuHourPrice? trusted)
    {
        if (!(rate > GpuHourPrice.Zero))
            return "a price of zero";
        if (Min is { } min && rate < min)
            return $"{rate} is less than the guard's {min}";
        if (Max is { } max && rate > max)
            return $"{rate} is more than the guard's {max}";
        if (trusted is not { } before || !(before > GpuHourPrice.Zero))
            return null;
        var (small, large) = rate < before ? (rate, before) : (before, rate);
        return (Int128)large.NanoPerGpuHour * 100 > (Int128)small.NanoPerGpuHour * (100 + MaxJumpPercent)
            ? string.Create(CultureInfo.InvariantCulture, $"{rate} instead of {before} is a jump of more than {MaxJumpPercent} %")
            : null;
    }
}
