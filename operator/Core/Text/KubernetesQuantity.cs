using System.Globalization;

namespace Bursar.Core.Text;

/// <summary>
/// The value of a Kubernetes quantity: <c>1500m</c> and <c>1.5</c> are equal. The API server may rewrite quantities, so they are compared
/// as numbers, never as text. <c>m</c> is milli, <c>M</c> is mega and <c>k</c> is kilo.
/// </summary>
public readonly record struct KubernetesQuantity(decimal Value) : IComparable<KubernetesQuantity>
{
    private const decimal Nano = 0.000000001m;

    /// <summary>Returns the whole number, rounded up as Kubernetes does: <c>1500m</c> is 2.</summary>
    public long ToInt64() => (long)decimal.Min(decimal.Ceiling(Value), long.MaxValue);

    public int CompareTo(KubernetesQuantity other) => Value.CompareTo(other.Value);

    /// <summary>
    /// Parses <c>2</c>, <c>1.5Gi</c>, <c>500m</c>, <c>12e6</c>. Magnitudes are capped at 2⁶³−1, and parts below nano are rounded away from
    /// zero.
    /// </summary>
    public static bool TryParse(string? text, out KubernetesQuantity quantity)
    {
        quantity = default;
        if (string.IsNullOrEmpty(text) || text.Length > 64)
            return false;
        var rest = text.AsSpan();
        var negative = rest[0] == '-';
        if (rest[0] is '-' or '+')
            rest = rest[1..];
        var length = 0;
        var dots = 0;
        while (length < rest.Length && (char.IsAsciiDigit(rest[length]) || rest[length] == '.'))
            if (rest[length++] == '.')
                dots++;
        if (dots > 1 || length - dots == 0)
            return false;
        var number = rest[..length];
        if (!TryScale(rest[length..], out var factor, out var divisor))
            return false;
        if (!decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var mantissa))
        {
            mantissa = long.MaxValue; // more digits than a decimal holds: far beyond the cap
            if (divisor > 1)
                return false;
        }

        decimal value;
        if (mantissa > long.MaxValue / factor)
            value = long.MaxValue;
        else
        {
            value = mantissa * factor / divisor;
            var cut = decimal.Truncate(value / Nano);
            if (value > long.MaxValue)
                value = long.MaxValue;
            else if (cut * Nano != value)
                value = (cut + 1) * Nano;
        }
        quantity = new(negative ? -value : value);
        return true;
    }

    private static bool TryScale(ReadOnlySpan<char> suffix, out decimal factor, out decimal divisor)
    {
        (factor, divisor) = (1, 1);
        switch (suffix)
        {
            case "":
                return true;
            case "n":
                divisor = 1_000_000_000;
                return true;
            case "u":
                divisor = 1_000_000;
                return true;
            case "m":
                divisor = 1_000;
                return true;
            case "k":
                factor = 1_000;
                return true;
            case "M":
                factor = 1_000_000;
                return true;
            case "G":
                factor = 1_000_000_000;
                return true;
            case "T":
                factor = 1_000_000_000_000;
                return true;
            case "P":
                factor = 1_000_000_000_000_000;
                return true;
            case "E":
                factor = 1_000_000_000_000_000_000;
                return true;
            case "Ki":
                factor = 1L << 10;
                return true;
            case "Mi":
                factor = 1L << 20;
                return true;
            case "Gi":
                factor = 1L << 30;
                return true;
            case "Ti":
                factor = 1L << 40;
                return true;
            case "Pi":
                factor = 1L << 50;
                return true;
            case "Ei":
                factor = 1L << 60;
                return true;
        }
        if (suffix[0] is not ('e' or 'E'))
            return false;
        var digits = suffix[1..];
        var negative = digits.Length > 0 && digits[0] == '-';
        if (digits.Length > 0 && digits[0] is ('-' or '+'))
            digits = digits[1..];
        if (digits.Length is 0 or > 4)
            return false;
        var exponent = 0;
        foreach (var digit in digits)
        {
            if (!char.IsAsciiDigit(digit))
                return false;
            exponent = exponent * 10 + (digit - '0');
        }
        // Beyond these the value is over the cap, or below nano and rounded up to it.
        var power = 1m;
        for (var i = 0; i < Math.Min(exponent, 27); i++)
            power *= 10;
        if (negative)
            divisor = power;
        else
            factor = power;
        return true;
    }
}
