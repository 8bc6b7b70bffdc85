using System.Text;

namespace Bursar.Sandbox.Controllers;

/// <summary>Suffixes of generated names, from Kubernetes' alphabet without vowels and similar characters.</summary>
internal static class NameSuffix
{
    private const string Alphabet = "bcdfghjklmnpqrstvwxz2456789";
    private const int LongestName = 63;

    public static string Next(Random random)
    {
        Span<char> suffix = stackalloc char[5];
        lock (random)
        {
            for (var i = 0; i < suffix.Length; i++)
                suffix[i] = Alphabet[random.Next(Alphabet.Length)];
        }

        return suffix.ToString();
    }

    /// <summary>Joins a base name and a suffix; the base is cut so that the result is a valid label.</summary>
    public static string Join(string name, string suffix) =>
        $"{(name.Length + suffix.Length + 1 > LongestName ? name[..(LongestName - suffix.Length - 1)] : name)}-{suffix}";

    /// <summary>Returns the hash of a canonical template in the same alphabet.</summary>
    public static string Hash(string canonical)
    {
        var hash = 2166136261u;
        foreach (var b in Encoding.UTF8.GetBytes(canonical))
            hash = (hash ^ b) * 16777619u;
        var text = new StringBuilder(10);
        foreach (var digit in hash.ToString())
            text.Append(Alphabet[digit - '0']);
        return text.ToString();
    }
}
