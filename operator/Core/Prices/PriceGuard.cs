using System.Globalization;
using Bursar.Core.Money;

namespace Bursar.Core.Prices;

/// <summary>
/// What a price may be before a person has looked at it. A jump is measured from the smaller to the larger price, so
/// that a fall to a quarter counts as much as a rise to four times: a price 730 times too low is as wrong as one too high.
/// </summary>
public sealed record PriceGuard(GpuHourPrice? Min, GpuHourPrice? Max, int MaxJumpPercent)
{
    public const int DefaultJumpPercent = 300;

    public static readonly PriceGuard Default = new(null, null, DefaultJumpPercent);

    /// <summary>Why a price is not trusted; null when it is. <paramref name="trusted"/> is the price so far, if there is one.</summary>
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
