using System.Globalization;
using System.Numerics;

namespace Bursar.Sandbox.Values;

/// <summary>
/// Converts Kubernetes quantities to the canonical form of the API server (<c>0.5</c> → <c>500m</c>, <c>1024Mi</c> → <c>1Gi</c>).
/// </summary>
public static class Quantities
{
    private static readonly string[] BinarySuffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    private static readonly string[] DecimalSuffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

    public static bool TryParse(string text, out string canonical)
    {
        canonical = text;
        var end = 0;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.' || (end == 0 && text[end] is '+' or '-')))
        {
            end++;
        }

        var number = text[..end].TrimStart('+');
        var suffix = text[end..];
        if (number.Length == 0 || number is "-" or "." || number.Count(c => c == '.') > 1 || !number.Any(char.IsAsciiDigit))
        {
            return false;
        }

        var negative = number[0] == '-';
        number = negative ? number[1..] : number;
        var dot = number.IndexOf('.');
        var scale = dot < 0 ? 0 : number.Length - dot - 1;
        var digits = BigInteger.Parse(dot < 0 ? number : number.Remove(dot, 1), CultureInfo.InvariantCulture);
        var binary = Array.IndexOf(BinarySuffixes, suffix);
        if (suffix.Length > 0 && binary > 0)
        {
            // The value in billionths, so that 1.5Gi is exact.
            var value = digits * BigInteger.Pow(1024, binary) * 1_000_000_000 / BigInteger.Pow(10, scale);
            if (value % 1_000_000_000 == 0)
            {
                canonical = Binary(value / 1_000_000_000, negative);
                return true;
            }

            canonical = Decimal(value, negative);
            return true;
        }

        int exponent;
        var exponential = false;
        if (suffix.Length > 1 && suffix[0] is 'e' or 'E')
        {
            if (
                !int.TryParse(suffix[1..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent)
                || Math.Abs(exponent) > 30
            )
            {
                return false;
            }

            exponential = true;
        }
        else
        {
            var index = Array.IndexOf(DecimalSuffixes, suffix);
            if (index < 0)
            {
                return false;
            }

            exponent = (index - 3) * 3;
        }

        var power = 9 + exponent - scale;
        var nano = power >= 0 ? digits * BigInteger.Pow(10, power) : Ceiling(digits, BigInteger.Pow(10, -power));
        canonical = exponential ? Exponential(nano, negative) : Decimal(nano, negative);
        return true;
    }

    private static BigInteger Ceiling(BigInteger value, BigInteger by) => (value + by - 1) / by;

    private static string Binary(BigInteger value, bool negative)
    {
        var unit = 0;
        while (!value.IsZero && unit < 6 && value % 1024 == 0)
        {
            value /= 1024;
            unit++;
        }

        return $"{(negative && !value.IsZero ? "-" : "")}{value}{BinarySuffixes[unit]}";
    }

    private static string Decimal(BigInteger nano, bool negative)
    {
        var unit = 0;
        while (!nano.IsZero && unit < 9 && nano % 1000 == 0)
        {
            nano /= 1000;
            unit++;
        }

        return nano.IsZero ? "0" : $"{(negative ? "-" : "")}{nano}{DecimalSuffixes[unit]}";
    }

    private static string Exponential(BigInteger nano, bool negative)
    {
        var exponent = -9;
        while (!nano.IsZero && nano % 1000 == 0)
        {
            nano /= 1000;
            exponent += 3;
        }

        return nano.IsZero ? "0"
            : exponent == 0 ? $"{(negative ? "-" : "")}{nano}"
            : $"{(negative ? "-" : "")}{nano}e{exponent}";
    }
}
