using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;

namespace Bursar.Tests.Unit.Core.State;

/// <summary>
/// The names of properties and enum values in GpuLedger objects. They are kept when a member is renamed in C#: an earlier version reads
/// these objects after a rollback. <c>BURSAR_UPDATE_GOLDEN=1</c> rewrites the list.
/// </summary>
public sealed class StoredNamesTests
{
    [Fact]
    public void Names_in_ledger_objects_are_those_of_the_list()
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        Collect(LedgerJson.Default.LedgerShard, "shard", [], names);
        Collect(DecisionJson.Default.BudgetSnapshot, "snapshot", [], names);
        Collect(DecisionJson.Default.BudgetDecision, "decision", [], names);
        Collect(DecisionJson.Default.BudgetMemory, "memory", [], names);
        Collect(DecisionJson.Default.SuspendedSnapshot, "cause", [], names);
        var list = string.Join('\n', names) + "\n";
        var path = Path.Combine(Folder(), "stored-names.txt");
        if (Environment.GetEnvironmentVariable("BURSAR_UPDATE_GOLDEN") == "1")
            File.WriteAllText(path, list);
        list.Should().Be(File.ReadAllText(path));
    }

    private static void Collect(JsonTypeInfo type, string path, HashSet<Type> above, SortedSet<string> names)
    {
        if (type.Type.IsEnum)
        {
            foreach (var value in Enum.GetValues(type.Type))
                names.Add($"{path}={JsonSerializer.Serialize(value, type).Trim('"')}");
            return;
        }
        if (!above.Add(type.Type))
            return;
        foreach (var property in type.Properties.Where(property => property.Get is not null))
        {
            names.Add($"{path}.{property.Name}");
            Collect(Element(type.Options.GetTypeInfo(property.PropertyType)), $"{path}.{property.Name}", above, names);
        }
        above.Remove(type.Type);
    }

    private static JsonTypeInfo Element(JsonTypeInfo type) =>
        type.ElementType is { } element ? Element(type.Options.GetTypeInfo(element))
        : Nullable.GetUnderlyingType(type.Type) is { } underlying ? type.Options.GetTypeInfo(underlying)
        : type;

    private static string Folder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
