using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Core.Decisions;

namespace Bursar.Operator.Commands;

/// <summary>Replaces stored names in ledger objects by those of the status and the documents.</summary>
internal static class StoredNames
{
    private static readonly FrozenDictionary<string, string> CurrentNames = new Dictionary<string, string>
    {
        ["asked"] = "requested",
        ["askedAt"] = "checkpointRequestedAt",
        ["brakeAllowance"] = "breakerAllowance",
        ["brakedAt"] = "breakerOpenSince",
        ["floorRate"] = "minReplicasRate",
        ["heldBy"] = "otherBudgets",
        ["maker"] = "cronJob",
        ["mid"] = "likely",
        ["notFollowed"] = "ignoresSuspension",
        ["notParkable"] = "notSuspendable",
        ["parked"] = "suspension",
        ["switchedToObserve"] = "observeOnly",
        ["undone"] = "reverted",
        ["undoneBy"] = "revertedBy",
        ["waitsIn"] = "queuedIn",
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<(string Name, string Value), string> CurrentValues = new Dictionary<(string, string), string>
    {
        [("action", "Park")] = nameof(ActionKind.Suspend),
        [("state", "Parked")] = nameof(WorkloadState.SuspendedByBudget),
        [("state", "Suspended")] = nameof(WorkloadState.SuspendedByOther),
        [("whenExhausted", "Floor")] = nameof(WhenExhausted.MinReplicas),
    }.ToFrozenDictionary();

    /// <summary>Renames members and values of a stored object, at any depth.</summary>
    public static void Update(JsonNode node)
    {
        if (node is JsonArray list)
            foreach (var item in list.OfType<JsonNode>())
                Update(item);
        if (node is not JsonObject members)
            return;
        foreach (var (name, value) in members.ToList())
        {
            if (value is JsonValue && value.GetValueKind() == JsonValueKind.String)
                members[name] = CurrentValues.GetValueOrDefault((name, value.GetValue<string>()), value.GetValue<string>());
            else if (value is not null)
                Update(value);
            if (name == "parked" && value is JsonArray)
                Rename(members, name, "suspensions");
            else if (CurrentNames.TryGetValue(name, out var current))
                Rename(members, name, current);
        }
    }

    private static void Rename(JsonObject members, string from, string to)
    {
        var value = members[from];
        members.Remove(from);
        members[to] = value;
    }
}
