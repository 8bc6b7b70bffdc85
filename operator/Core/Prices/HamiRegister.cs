using System.Text.Json;

namespace Bursar.Core.Prices;

/// <summary>
/// HAMi's list of a node's cards. HAMi's resource counts each card as often as it may be shared, so only this annotation may show the
/// number of cards: <c>[{"id":"GPU-…","count":10,"devmem":32768,"type":"NVIDIA-Tesla V100-PCIE-32GB"}]</c>.
/// </summary>
/// <param name="Cards">The number of cards.</param>
/// <param name="MemoryMiB">The memory of each card. Zero: they differ.</param>
/// <param name="Product">The product in the spelling of GPU feature discovery. Empty: they differ.</param>
public sealed record HamiRegister(int Cards, int MemoryMiB, string Product)
{
    public const string Annotation = "hami.io/node-nvidia-register";

    private const string Vendor = "NVIDIA-";
    private const int MostCards = 256;

    /// <summary>Returns null for any other text.</summary>
    public static HamiRegister? Read(string? text)
    {
        if (string.IsNullOrEmpty(text) || text[0] != '[')
            return null;
        try
        {
            using var json = JsonDocument.Parse(text);
            var memories = new HashSet<int>();
            var products = new HashSet<string>(StringComparer.Ordinal);
            var cards = 0;
            foreach (var card in json.RootElement.EnumerateArray())
            {
                if (card.ValueKind != JsonValueKind.Object)
                    return null;
                cards++;
                memories.Add(
                    card.TryGetProperty("devmem", out var memory)
                    && memory.ValueKind == JsonValueKind.Number
                    && memory.TryGetInt32(out var mebibytes)
                    && mebibytes > 0
                        ? mebibytes
                        : 0
                );
                products.Add(
                    card.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String ? Product(type.GetString()!) : ""
                );
            }
            return cards is > 0 and <= MostCards
                ? new(cards, memories.Count == 1 ? memories.Single() : 0, products.Count == 1 ? products.Single() : "")
                : null;
        }
        catch (Exception odd) when (odd is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a text with half a surrogate pair.
            return null;
        }

        // HAMi puts the vendor before NVML's name, which for newer cards begins with the vendor too.
        static string Product(string type) =>
            (type.StartsWith(Vendor, StringComparison.Ordinal) ? type[Vendor.Length..] : type).Trim().Replace(' ', '-');
    }
}
