using System.Text;
using System.Text.Json;

namespace Bursar.Kubernetes.Objects;

/// <summary>
/// Shares equal strings read from JSON. Namespaces, node names, label keys and values repeat over thousands of pods and would otherwise be
/// most of the cache's heap. The size is fixed. A new string may overwrite another one, which costs sharing but not correctness.
/// Thread-safe, because a slot is one reference.
/// </summary>
internal static class StringPool
{
    private const int Slots = 1 << 14;
    private const int LongestShared = 128;
    private static readonly string?[] Pool = new string?[Slots];

    /// <summary>Returns the current string or property name.</summary>
    public static string Get(ref Utf8JsonReader reader)
    {
        if (reader.HasValueSequence || reader.ValueIsEscaped)
            return reader.GetString() ?? "";
        return Get(reader.ValueSpan);
    }

    public static string Get(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length == 0)
            return "";
        if (utf8.Length > LongestShared || !Ascii.IsValid(utf8))
            return Encoding.UTF8.GetString(utf8);
        ref string? first = ref Pool[Hash(utf8) & (Slots - 2)];
        string? known = first;
        if (known is not null && Ascii.Equals(utf8, known))
            return known;
        ref string? second = ref System.Runtime.CompilerServices.Unsafe.Add(ref first, 1);
        string? older = second;
        if (older is not null && Ascii.Equals(utf8, older))
            return older;

        // The new string takes the first slot and moves the former one to the second. So one unique string does not evict a repeated one.
        string made = Encoding.ASCII.GetString(utf8);
        if (known is not null)
            second = known;
        first = made;
        return made;
    }

    private static uint Hash(ReadOnlySpan<byte> utf8)
    {
        ulong hash = (ulong)utf8.Length * 0x9E3779B97F4A7C15;
        while (utf8.Length >= 8)
        {
            hash = (hash ^ BitConverter.ToUInt64(utf8)) * 0xFF51AFD7ED558CCD;
            hash ^= hash >> 32;
            utf8 = utf8[8..];
        }

        foreach (byte b in utf8)
            hash = (hash ^ b) * 0x100000001B3;
        hash ^= hash >> 29;
        return (uint)(hash ^ (hash >> 17));
    }
}
