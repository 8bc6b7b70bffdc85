using System.Text.RegularExpressions;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Commands;
using Bursar.Operator.Commands.Imports;
using Bursar.Operator.Suspension;
using Bursar.Tests.TestKit;
using YamlDotNet.RepresentationModel;

namespace Bursar.Tests.Unit.Docs;

/// <summary>The documents' command lines and lists, compared with the code.</summary>
public sealed partial class DocumentTests
{
    [Fact]
    public void Command_lines_of_bursar_can_be_parsed()
    {
        var lines = Directory
            .GetFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Append(Path.Combine(Repository.Root, "README.md"))
            .Where(page => !page.EndsWith("cli.md", StringComparison.Ordinal)) // generated from the same commands
            .SelectMany(page => Block().Matches(File.ReadAllText(page)).SelectMany(block => CommandsIn(block.Value)))
            .Distinct()
            .ToArray();
        var root = RootCommands.Create();

        lines.Should().HaveCountGreaterThan(10);
        lines.Where(line => root.Parse(line).Errors.Count > 0).Should().BeEmpty();
    }

    [Theory]
    [InlineData("ignoreDifferences")]
    [InlineData("ignore")]
    public void GitOps_page_ignores_exactly_the_fields_that_Bursar_writes(string list)
    {
        var page = Repository.Read("docs/tasks/gitops.md");
        var ignored = Block()
            .Matches(page)
            .SelectMany(block => YamlNodes.Documents(Body(block.Value)))
            .SelectMany(document =>
                list == "ignore"
                    ? document.Map("spec", "driftDetection")?.List("ignore") ?? []
                    : document.Map("spec")?.List("ignoreDifferences") ?? []
            )
            .Cast<YamlMappingNode>()
            .SelectMany(entry =>
                from kind in (entry.Map("target") ?? entry).Text("kind")!.Split('|')
                from pointer in entry.List(list == "ignore" ? "paths" : "jsonPointers")
                select (Group: entry.Text("group"), Kind: kind, Pointer: ((YamlScalarNode)pointer).Value!)
            )
            .ToArray();

        ignored
            .Select(field => (field.Kind, field.Pointer))
            .Should()
            .BeEquivalentTo(Written().Select(field => (field.Kind.Kind, field.Pointer)));
        if (list == "ignoreDifferences")
            ignored
                .Select(field => (field.Group, field.Kind))
                .Distinct()
                .Should()
                .BeEquivalentTo(Written().Select(field => (field.Kind.Group, field.Kind.Kind)).Distinct());
    }

    [Fact]
    public void Quoted_messages_are_in_the_table_of_messages()
    {
        var table = File.ReadLines(Path.Combine(Repository.Root, "tests/Unit/Wording/messages.txt"))
            .Select(line => line.Trim())
            .ToHashSet();
        var quoted = Directory
            .GetFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories)
            .SelectMany(page => Block().Matches(File.ReadAllText(page)).SelectMany(block => Body(block.Value).Split('\n')))
            .Select(line => Message().Match(line))
            .Where(found => found.Success)
            .Select(found => found.Groups[1].Value)
            .ToArray();

        quoted.Should().HaveCountGreaterThan(1).And.BeSubsetOf(table);
    }

    [Fact]
    public void Texts_of_the_suspension_page_are_in_the_table_of_messages()
    {
        var table = Repository.Read("tests/Unit/Wording/messages.txt");
        var quoted = Suspension().Matches(Repository.Read("docs/concepts/suspension.md")).Select(found => found.Groups[1].Value).ToArray();

        quoted.Should().HaveCountGreaterThan(5);
        quoted.Where(text => !table.Contains(text, StringComparison.Ordinal)).Should().BeEmpty();
    }

    private static IEnumerable<(EntityKind Kind, string Pointer)> Written() =>
        [
            .. WorkloadKinds.All.Select(kind => (kind.Entity, kind.Field)),
            .. ScalableKinds
                .All.Where(kind => WorkloadKinds.Find(kind.Name) is null)
                .Select(kind => (kind.Entity, WorkloadKind.ReplicasField)),
            (V1Beta1InferenceService.EntityKind, FieldRestorer.PredictorMin),
            (V1Beta1InferenceService.EntityKind, FieldRestorer.PredictorMax),
            (V1CronJob.EntityKind, WorkloadKind.SuspendField),
            (V1ScaledObject.EntityKind, PatchOperation.Pointer("metadata", "annotations", KedaAdapter.PausedReplicas)),
            (V1ScaledObject.EntityKind, "/spec/maxReplicaCount"),
            (V1HorizontalPodAutoscaler.EntityKind, "/spec/maxReplicas"),
        ];

    private static IEnumerable<string> CommandsIn(string block) =>
        Body(block)
            .Replace("\\\n", " ", StringComparison.Ordinal)
            .Split('\n')
            .Select(line => Command().Match(line))
            .Where(found => found.Success)
            .Select(found => found.Groups[1].Value.Trim());

    private static string Body(string block) =>
        block[(block.IndexOf('\n', StringComparison.Ordinal) + 1)..block.LastIndexOf("```", StringComparison.Ordinal)];

    [GeneratedRegex(@"^(?:Warning: )?((?:gpubudget|Budget) .+)$")]
    private static partial Regex Message();

    [GeneratedRegex(@"`((?:Suspended|Would be suspended)[: ][^`]*)`")]
    private static partial Regex Suspension();

    [GeneratedRegex(@"^ *```.*?^ *```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"(?:^|\|\s|&&\s)(?:\s|\$\s)*(?:bin/)?bursar (?!.*\.\.\.)([^|>#&]*)")]
    private static partial Regex Command();
}
