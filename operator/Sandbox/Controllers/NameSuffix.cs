using System.Text;

namespace Bursar.Sandbox.Controllers;

/// <summary>Suffixes of generated names, from Kubernetes's alphabet without vowels and look-alikes.</summary>
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

    /// <summary>A base name with a suffix, cut so that it stays a label.</summary>
    public static string Join(string name, string suffix) =>
        $"{(name.Length + suffix.Length + 1 > LongestName ? name[..(LongestName - suffix.Length - 1)] : name)}-{suffix}";

    /// <summary>The hash of a template, in the same alphabet: equal templates have equal hashes, however they were written.</summary>
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
