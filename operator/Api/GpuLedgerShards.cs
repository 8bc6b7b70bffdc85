using System.Text.Json;
using Bursar.Core.Ledger;

namespace Bursar.Api;

/// <summary>The shard in a GpuLedger object.</summary>
public static class GpuLedgerShards
{
    /// <summary>Tells the objects apart without reading them: what kind of shard is in it.</summary>
    public const string KindLabel = "bursar.dev/ledger";

    /// <summary>All but the days that are sums; also objects that a person put back without the label.</summary>
    public const string WithoutDays = $"{KindLabel}!={LedgerShard.DayKind}";

    /// <summary>Null: there is none that this version can read.</summary>
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
