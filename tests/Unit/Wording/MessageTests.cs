using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Scaling;
using Bursar.Operator.Admission;
using Bursar.Operator.Cluster;
using Bursar.Operator.Commands;
using Mono.Cecil;
using Mono.Cecil.Cil;

namespace Bursar.Tests.Unit.Wording;

/// <summary>
/// The wording of messages, in one table: messages.txt has an example of every text that the types below put into an Event, a condition, a
/// status, an answer to an admission request or an explanation. texts.txt lists the texts of all other types, logs among them. Other tests
/// assert reasons, amounts and names.
/// <c>BURSAR_UPDATE_GOLDEN=1</c> rewrites both files for review.
/// </summary>
public sealed class MessageTests
{
    /// <summary>The types whose texts users read. Those of the namespace of Messages count without being named.</summary>
    private static readonly Type[] Types =
    [
        .. typeof(Messages)
            .Assembly.GetTypes()
            .Where(type =>
                type.Namespace == typeof(Messages).Namespace && !type.IsNested && !type.IsAssignableTo(typeof(JsonSerializerContext))
            ),
        typeof(Estimator),
        typeof(PieceForecast),
        typeof(ScalerDecider),
        typeof(ScalerDemand),
        typeof(ReplicaCaps),
        typeof(AdmissionRule),
        typeof(AdmissionAnswer),
        typeof(AnnotationRules),
        typeof(ExplainReasoning),
    ];

    /// <summary>The assemblies whose other texts are listed by type.</summary>
    private static readonly Assembly[] Assemblies =
    [
        typeof(Messages).Assembly,
        typeof(GpuBudgetReader).Assembly,
        typeof(AdmissionRule).Assembly,
    ];

    [Fact]
    public void Messages_are_those_of_the_table()
    {
        var path = Path.Combine(Folder(), "messages.txt");
        var table = Table().ToString();
        if (Environment.GetEnvironmentVariable("BURSAR_UPDATE_GOLDEN") == "1")
            File.WriteAllText(path, table);
        table.Should().Be(File.ReadAllText(path));
    }

    [Fact]
    public void Table_has_an_example_of_every_text()
    {
        Table().Missing.Should().BeEquivalentTo(Array.Empty<string>(), "each text needs an example");
    }

    [Fact]
    public void Other_texts_are_those_of_the_list()
    {
        var path = Path.Combine(Folder(), "texts.txt");
        var list = string.Concat(
            Assemblies
                .SelectMany(assembly => ModuleDefinition.ReadModule(assembly.Location).Types)
                .Where(type => type.BaseType?.Name != nameof(JsonSerializerContext) && !Types.Any(known => known.FullName == type.FullName))
                // The name of a generated regular expression contains a hash of the checkout's path.
                .Where(type => !type.Namespace.StartsWith("System.", StringComparison.Ordinal))
                .OrderBy(type => type.FullName, StringComparer.Ordinal)
                .Select(type => (type.FullName, Texts: Literals(type).Distinct(StringComparer.Ordinal).ToArray()))
                .Where(type => type.Texts.Length > 0)
                .Select(type => $"\n{type.FullName}\n{string.Concat(type.Texts.Select(text => $"    {text.Trim()}\n"))}")
        );
        if (Environment.GetEnvironmentVariable("BURSAR_UPDATE_GOLDEN") == "1")
            File.WriteAllText(path, list);
        list.Should().Be(File.ReadAllText(path));
    }

    private static MessageTable Table()
    {
        var table = new MessageTable([.. Texts()]);
        BudgetMessages.AddTo(table);
        ScalerMessages.AddTo(table);
        OperatorMessages.AddTo(table);
        return table;
    }

    /// <summary>Literals with a blank and a letter in all methods, read from the compiled types.</summary>
    private static IEnumerable<string> Texts() =>
        Types
            .GroupBy(type => type.Assembly.Location)
            .SelectMany(assembly =>
            {
                var module = ModuleDefinition.ReadModule(assembly.Key);
                return assembly.Select(type => module.GetType(type.FullName!.Replace('+', '/'))).SelectMany(Literals).ToArray();
            })
            .Distinct(StringComparer.Ordinal);

    private static IEnumerable<string> Literals(TypeDefinition type) =>
        type
            .Methods.Where(method => method is { HasBody: true, Name: not ("PrintMembers" or "ToString") })
            .SelectMany(method => method.Body.Instructions)
            .Where(one => one.OpCode == OpCodes.Ldstr && !IsOfException(one))
            .Select(one => Regex.Replace((string)one.Operand, @"\s+", " "))
            .Where(text => text.Trim().Contains(' ') && text.Any(char.IsLetter) && !text.Contains("yyyy"))
            .Concat(type.NestedTypes.SelectMany(Literals));

    /// <summary>A programmer reads the messages of exceptions.</summary>
    private static bool IsOfException(Instruction load)
    {
        for (var next = load.Next; next is not null; next = next.Next)
            if (next.OpCode == OpCodes.Newobj)
                return ((MethodReference)next.Operand).DeclaringType.Name.EndsWith("Exception", StringComparison.Ordinal);
            else if (next.OpCode.FlowControl is FlowControl.Call or FlowControl.Branch or FlowControl.Return)
                return false;
        return false;
    }

    private static string Folder([CallerFilePath] string here = "") => Path.GetDirectoryName(here)!;
}
