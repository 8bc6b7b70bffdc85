using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace Bursar.Core.Decisions;

/// <summary>The stored inputs of a decision: JSON, compressed if it is long.</summary>
public static class DecisionInputs
{
    private const int LongText = 4096;
    private const string Compressed = "gzip:";

    public static string Write(BudgetSnapshot snapshot)
    {
        // Ended workloads and the stored spec do not affect a decision.
        var json = JsonSerializer.SerializeToUtf8Bytes(
            snapshot with
            {
                Memory = snapshot.Memory with { Ended = [], Spec = null },
            },
            DecisionJson.Default.BudgetSnapshot
        );
        if (json.Length < LongText)
            return Encoding.UTF8.GetString(json);
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
            gzip.Write(json);
        return Compressed + Convert.ToBase64String(packed.ToArray());
    }

    /// <summary>Returns null if no inputs were stored.</summary>
    /// <exception cref="FormatException">The text was not written by <see cref="Write"/>.</exception>
    public static BudgetSnapshot? Read(string text)
    {
        if (text.Length == 0)
            return null;
        try
        {
            if (!text.StartsWith(Compressed, StringComparison.Ordinal))
                return JsonSerializer.Deserialize(text, DecisionJson.Default.BudgetSnapshot);
            using var gzip = new GZipStream(
                new MemoryStream(Convert.FromBase64String(text[Compressed.Length..])),
                CompressionMode.Decompress
            );
            return JsonSerializer.Deserialize(gzip, DecisionJson.Default.BudgetSnapshot);
        }
        catch (Exception error) when (error is JsonException or InvalidDataException)
        {
            throw new FormatException("A decision's inputs cannot be read.", error);
        }
    }
}
