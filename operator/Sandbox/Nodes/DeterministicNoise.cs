using System.Text;

namespace Bursar.Sandbox.Nodes;

/// <summary>
/// Random numbers that depend only on a seed, a name and an index. So number 20,000 does not need the 19,999 before it, and each run of a
/// scenario gets the same numbers.
/// </summary>
internal sealed class DeterministicNoise
{
    private readonly ulong _seed;

    public DeterministicNoise(int seed, string name)
    {
        // FNV-1a over the name; Mix compensates for its weak high bits.
        var hash = 14695981039346656037UL;
        foreach (var b in Encoding.UTF8.GetBytes(name))
            hash = (hash ^ b) * 1099511628211UL;
        _seed = Mix(hash + (ulong)seed * 0x9E3779B97F4A7C15UL);
    }

    /// <summary>Returns a number in [0, 1).</summary>
    public double At(long index) => (Mix(_seed + (ulong)index * 0x9E3779B97F4A7C15UL) >> 11) * (1.0 / (1UL << 53));

    /// <summary>The finalizer of SplitMix64.</summary>
    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
