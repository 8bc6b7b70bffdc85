using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Bursar.Agent.Journal;

/// <summary>
/// One line of a segment: eight hexadecimal digits of CRC-32C over the JSON, a space, the JSON, a line feed, for example
/// <c>9a0e3c41 {"seq":7,"progress":{…}}</c>.
/// </summary>
internal static class JournalLine
{
    private const int PrefixSize = 9;

    public static byte[] Write(JournalEntry entry)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(entry, JournalJson.Default.JournalEntry);
        byte[] line = new byte[PrefixSize + json.Length + 1];
        Checksum(json).TryFormat(line, out _, "x8", CultureInfo.InvariantCulture);
        line[PrefixSize - 1] = (byte)' ';
        json.CopyTo(line, PrefixSize);
        line[^1] = (byte)'\n';
        return line;
    }

    /// <param name="line">The line without its line feed.</param>
    public static JournalEntry? TryRead(ReadOnlySpan<byte> line)
    {
        if (
            line.Length <= PrefixSize
            || line[PrefixSize - 1] != ' '
            || !uint.TryParse(line[..(PrefixSize - 1)], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint sum)
            || Checksum(line[PrefixSize..]) != sum
        )
        {
            return null;
        }
        try
        {
            return JsonSerializer.Deserialize(line[PrefixSize..], JournalJson.Default.JournalEntry);
        }
        catch (JsonException)
        {
            // A line of another version with another shape is treated like a damaged one; the caller counts it.
            return null;
        }
    }

    private static uint Checksum(ReadOnlySpan<byte> data)
    {
        uint sum = uint.MaxValue;
        while (data.Length >= sizeof(ulong))
        {
            sum = BitOperations.Crc32C(sum, MemoryMarshal.Read<ulong>(data));
            data = data[sizeof(ulong)..];
        }
        foreach (byte one in data)
            sum = BitOperations.Crc32C(sum, one);
        return ~sum;
    }
}
