using System.Text.Json;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;

namespace Bursar.Operator.Suspension;

/// <summary>The decision's side of a parked record: what a later resume needs, stored with the record as its cause.</summary>
public static class ParkedCause
{
    public static ParkedSnapshot Read(ParkedRecord record) =>
        record.Cause.Length > 0 && JsonSerializer.Deserialize(record.Cause, DecisionJson.Default.ParkedSnapshot) is { } snapshot
            ? snapshot
            : new() { Since = record.Since, Reason = record.Reason };

    public static string Write(ParkedSnapshot snapshot) => JsonSerializer.Serialize(snapshot, DecisionJson.Default.ParkedSnapshot);
}

/// <summary>A budget's memory as the ledger keeps it.</summary>
public static class BudgetMemoryJson
{
    public static BudgetMemory Read(string? json) =>
        json is null ? new() : JsonSerializer.Deserialize(json, DecisionJson.Default.BudgetMemory) ?? new();

    public static string Write(BudgetMemory memory) => JsonSerializer.Serialize(memory, DecisionJson.Default.BudgetMemory);
}
