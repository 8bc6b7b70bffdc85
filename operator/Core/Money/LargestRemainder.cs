using System.Numerics;

namespace Bursar.Core.Money;

/// <summary>
/// Divides a whole number by weights so that the parts sum to it exactly. Each part gets its floor, and the rest goes by one to the largest
/// remainders (the earlier part if equal).
/// </summary>
public static class LargestRemainder
{
    /// <exception cref="ArgumentException">A weight is negative, or none is positive.</exception>
    public static Int128[] Divide(Int128 whole, ReadOnlySpan<long> weights)
    {
        Int128 total = 0;
        foreach (var weight in weights)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(weight);
            total += weight;
        }
        if (total == 0)
            throw new ArgumentException("at least one weight must be positive", nameof(weights));

        var parts = new Int128[weights.Length];
        var remainders = new (BigInteger Remainder, int Index)[weights.Length];
        Int128 given = 0;
        for (var i = 0; i < weights.Length; i++)
        {
            // BigInteger, because units × weight may exceed 128 bits for a year of a large cluster with millisecond weights.
            var product = (BigInteger)whole * weights[i];
            var floor = BigInteger.DivRem(product, (BigInteger)total, out var remainder);
            if (remainder.Sign < 0)
            {
                floor -= 1;
                remainder += (BigInteger)total;
            }
            parts[i] = (Int128)floor;
            given += parts[i];
            remainders[i] = (remainder, i);
        }
        Array.Sort(remainders, (a, b) => a.Remainder != b.Remainder ? b.Remainder.CompareTo(a.Remainder) : a.Index.CompareTo(b.Index));
        var left = (int)(whole - given);
        for (var i = 0; i < left; i++)
            parts[remainders[i].Index] += 1;
        return parts;
    }
}
