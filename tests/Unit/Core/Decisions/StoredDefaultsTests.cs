using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Usage;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>
/// Objects that an earlier version of the operator stored lack the properties that were added since.
/// System.Text.Json's generated code ignores the initializer of an init-only property that is missing, so a stored property with a default
/// must have a setter.
/// </summary>
public sealed class StoredDefaultsTests
{
    public static TheoryData<string> StoredTypes => [.. Reachable().Keys.Select(type => type.FullName!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(StoredTypes))]
    public void Stored_type_reads_a_missing_property_as_its_default(string name)
    {
        var (type, info) = Reachable().Single(one => one.Key.FullName == name);
        var made = Activator.CreateInstance(type, nonPublic: true)!;
        JsonObject lacking = [];
        foreach (var required in info.Properties.Where(property => property.IsRequired))
            lacking[required.Name] = Json(required, made);

        var read = lacking.Deserialize(info)!;

        foreach (
            var property in info.Properties.Where(property =>
                property is { IsRequired: false, Get: not null, AttributeProvider: PropertyInfo { CanWrite: true } }
            )
        )
            (Json(property, read)?.ToJsonString())
                .Should()
                .Be(Json(property, made)?.ToJsonString(), "{0}.{1} has a default", type.Name, property.Name);
    }

    [Fact]
    public void Memory_of_an_earlier_version_reads_with_empty_lists()
    {
        var memory = JsonSerializer.Deserialize(
            """
            {"windowKey":"2026-11","firstSeen":"2026-11-30T02:41:14.8613128+00:00","lastLimit":"3600000000000000","settleFrom":"2026-11-30T02:41:12+00:00","settleUntil":"2026-11-30T02:42:14.8613128+00:00",
             "announced":[],"admitted":{},"progress":{},"checkpoints":{},"marks":{},"freed":2}
            """,
            DecisionJson.Default.BudgetMemory
        )!;
        (memory.WindowKey, memory.Freed).Should().Be(("2026-11", 2));
        memory.Ended.Should().BeEmpty();
        memory.RunsOn.Should().BeEmpty();
        memory.FitsSince.Should().BeEmpty();
        memory.SuspensionsAnnounced.Should().BeEmpty();
        memory.Observed.Should().BeEmpty();
    }

    private static JsonNode? Json(JsonPropertyInfo property, object owner) =>
        property.Get!(owner) is { } value
            ? JsonSerializer.SerializeToNode(value, property.Options.GetTypeInfo(property.PropertyType))
            : null;

    /// <summary>
    /// Stored types with a parameterless constructor. Constructor parameters of the other types have their own defaults.
    /// </summary>
    private static Dictionary<Type, JsonTypeInfo> Reachable()
    {
        var found = new Dictionary<Type, JsonTypeInfo>();
        var seen = new HashSet<Type>();
        var open = new Stack<JsonTypeInfo>([
            DecisionJson.Default.BudgetMemory,
            DecisionJson.Default.SuspendedSnapshot,
            DecisionJson.Default.BudgetSnapshot,
            LedgerJson.Default.LedgerShard,
            UsageJson.Default.UsageReport,
            UsageJson.Default.TargetList,
            UsageJson.Default.ProgressPost,
            UsageJson.Default.CheckpointWanted,
            UsageJson.Default.CheckpointPost,
        ]);
        while (open.TryPop(out var info))
        {
            if (!seen.Add(info.Type))
                continue;
            foreach (var next in info.Properties.Select(property => property.PropertyType).Append(info.ElementType).OfType<Type>())
                if (info.Options.TryGetTypeInfo(next, out var known))
                    open.Push(known);
            if (
                info.Kind == JsonTypeInfoKind.Object
                && info.Type is { IsClass: true, IsAbstract: false }
                && info.Type.GetConstructor(BindingFlags.Instance | BindingFlags.Public, []) is not null
            )
                found[info.Type] = info;
        }
        return found;
    }
}
