using System.Globalization;

namespace Bursar.Sandbox.Discovery;

/// <summary>The order of preference of API versions: v2, v1, v1beta2, v1beta1, v1alpha1, then other names alphabetically.</summary>
public sealed class VersionOrder : IComparer<string>
{
    public static VersionOrder Preferred { get; } = new();

    public int Compare(string? x, string? y)
    {
        var left = Rank(x ?? "");
        var right = Rank(y ?? "");
        var byRank = right.CompareTo(left);
        return byRank != 0 ? byRank : string.CompareOrdinal(x, y);
    }

    private static (int Stability, int Major, int Minor) Rank(string version)
    {
        if (version.Length < 2 || version[0] != 'v')
        {
            return (0, 0, 0);
        }

        var rest = version.AsSpan(1);
        foreach (var (word, stability) in (ReadOnlySpan<(string, int)>)[("alpha", 1), ("beta", 2)])
        {
            var at = rest.IndexOf(word);
            if (at > 0 && Whole(rest[..at], out var major) && Whole(rest[(at + word.Length)..], out var minor))
            {
                return (stability, major, minor);
            }
        }

        return Whole(rest, out var stable) ? (3, stable, 0) : (0, 0, 0);
    }

    private static bool Whole(ReadOnlySpan<char> text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
