using System.Text.Json;
using Bursar.Core.Ledger;

namespace Bursar.Api;

/// <summary>Reads the shard in a GpuLedger object.</summary>
public static class GpuLedgerShards
{
    /// <summary>Label with the kind of the shard, to select objects without reading them.</summary>
    public const string KindLabel = "bursar.dev/ledger";

    /// <summary>Selects all but compacted days, including objects that a user restored without the label.</summary>
    public const string WithoutDays = $"{KindLabel}!={LedgerShard.DayKind}";

    /// <summary>Returns the shard, or null if this version cannot read it.</summary>
    public static LedgerShard? Read(V1Alpha1GpuLedger ledger)
    {
        if (ledger.Spec is not { Data.ValueKind: JsonValueKind.Object } spec)
            return null;
        try
        {
            return spec.Data.Deserialize(LedgerJson.Default.LedgerShard) is { Kind.Length: > 0 } shard
                ? shard with
                {
                    Name = ledger.Metadata.Name,
                }
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
