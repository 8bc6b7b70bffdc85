using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Bursar.Agent.Endpoints;
using Bursar.Operator.Http;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Docs;

/// <summary>The Grafana dashboards of the chart: their form, and that operator and agents export what they and the alerts ask for.</summary>
public sealed partial class DashboardTests
{
    private const string Folder = "charts/gpu-budget-operator/files/dashboards";

    private static readonly Dictionary<string, string[]> Labels = Families();

    public static TheoryData<string> Names => [.. Files()];

    [Fact]
    public void Dashboards_link_to_each_other_by_a_tag()
    {
        Files().Should().BeEquivalentTo("budget", "fleet", "overview", "scaling");
        foreach (var dashboard in Files().Select(Read))
        {
            ((string)dashboard["links"]![0]!["tags"]![0]!).Should().Be("bursar");
            ((string)dashboard["tags"]![0]!).Should().Be("bursar");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Panel_has_a_title_a_description_and_the_chosen_data_source(string name)
    {
        var dashboard = Read(name);
        ((string)dashboard["uid"]!).Should().Be($"bursar-{name}", "alerts and links use it");
        var panels = dashboard["panels"]!.AsArray().Where(panel => (string)panel!["type"]! != "row").ToArray();

        panels.Should().HaveCountGreaterThan(10);
        foreach (var panel in panels)
        {
            ((string)panel!["title"]!).Should().NotBeEmpty();
            ((string)panel["description"]!).Should().EndWith(".", "{0}", panel["title"]);
            ((string)panel["type"]!).Should().BeOneOf("timeseries", "stat", "table", "bargauge");
            foreach (var source in panel["targets"]!.AsArray().Select(target => target!["datasource"]).Append(panel["datasource"]))
                ((string)source!["uid"]!).Should().Be("${datasource}");
            ((string?)panel["fieldConfig"]!["defaults"]!["unit"] ?? "").Should().NotStartWith("currency", "a price book names its own");
        }
        dashboard["panels"]!.AsArray().Select(panel => (int)panel!["id"]!).Should().OnlyHaveUniqueItems();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Panels_do_not_overlap(string name)
    {
        var taken = new Dictionary<(int X, int Y), string>();
        foreach (var panel in Read(name)["panels"]!.AsArray())
        {
            var at = panel!["gridPos"]!;
            for (var x = (int)at["x"]!; x < (int)at["x"]! + (int)at["w"]!; x++)
            for (var y = (int)at["y"]!; y < (int)at["y"]! + (int)at["h"]!; y++)
            {
                x.Should().BeLessThan(24);
                taken.TryAdd((x, y), (string)panel["title"]!).Should().BeTrue("{0} covers {1}", panel["title"], taken[(x, y)]);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Variables_in_use_are_defined(string name)
    {
        var dashboard = Read(name);
        var defined = dashboard["templating"]!["list"]!.AsArray().Select(variable => (string)variable!["name"]!);

        Variable()
            .Matches(dashboard.ToJsonString())
            .Select(match => match.Groups[1].Value)
            .Where(used => !used.StartsWith("__", StringComparison.Ordinal))
            .Distinct()
            .Should()
            .BeSubsetOf(defined);
    }

    [Fact]
    public void Expressions_use_metrics_and_labels_that_are_exported()
    {
        var rules = Expression().Matches(Repository.Read("charts/gpu-budget-operator/files/prometheus-rules.yaml"));
        string[] expressions =
        [
            .. rules.Select(match => match.Groups[1].Value),
            .. Files()
                .Select(Read)
                .SelectMany(dashboard => dashboard["panels"]!.AsArray())
                .SelectMany(panel => panel!["targets"]?.AsArray() ?? [])
                .Select(target => (string)target!["expr"]!),
        ];

        expressions.Should().HaveCountGreaterThan(80);
        foreach (var expression in expressions)
        {
            var metrics = Selector().Matches(expression);
            metrics.Should().NotBeEmpty("{0}", expression);
            foreach (Match metric in metrics)
            foreach (Match label in Matcher().Matches(metric.Groups[2].Value))
                LabelsOf(metric.Groups[1].Value).Should().Contain(label.Groups[1].Value, "{0}", expression);
            var known = metrics.SelectMany(metric => LabelsOf(metric.Groups[1].Value)).ToHashSet(StringComparer.Ordinal);
            foreach (Match grouping in Grouping().Matches(expression))
                grouping.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries).Should().BeSubsetOf(known, "{0}", expression);
        }
    }

    [Fact]
    public void Alerts_lead_to_a_dashboard_that_exists()
    {
        var rules = Repository.Read("charts/gpu-budget-operator/files/prometheus-rules.yaml");
        var urls = DashboardUrl().Matches(rules);

        urls.Should().HaveCount(Regex.Count(rules, "- alert: "));
        urls.Select(match => match.Groups[1].Value).Should().BeSubsetOf(Files());
    }

    /// <summary>A histogram has three names, and a label for its buckets. Prometheus adds the label of the scraped address.</summary>
    private static string[] LabelsOf(string metric)
    {
        var family = HistogramSuffix().Replace(metric, "");
        Labels.Should().ContainKey(Labels.ContainsKey(metric) ? metric : family);
        return [.. Labels.GetValueOrDefault(metric) ?? [.. Labels[family], "le"], "instance"];
    }

    private static Dictionary<string, string[]> Families()
    {
        using var metrics = new OperatorMetrics(TimeProvider.System, new Uri("https://kubernetes.default.svc"));
        return metrics.Families.Concat(new AgentMetrics().Families).ToDictionary(family => family.Name, family => family.LabelNames);
    }

    private static string[] Files() =>
        [
            .. Directory
                .EnumerateFiles(Path.Combine(Repository.Root, Folder), "*.json")
                .Select(file => Path.GetFileNameWithoutExtension(file)!),
        ];

    private static JsonNode Read(string name) => JsonNode.Parse(Repository.Read($"{Folder}/{name}.json"))!;

    [GeneratedRegex(@"\$\{?(\w+)")]
    private static partial Regex Variable();

    [GeneratedRegex(@"expr: (.*)")]
    private static partial Regex Expression();

    [GeneratedRegex(@"(bursar_\w+)(\{[^}]*\})?")]
    private static partial Regex Selector();

    [GeneratedRegex(@"(\w+)(?:=~|!~|!=|=)""")]
    private static partial Regex Matcher();

    [GeneratedRegex(@"\b(?:by|on|ignoring) \(([^)]*)\)")]
    private static partial Regex Grouping();

    [GeneratedRegex(@"_(?:bucket|sum|count)$")]
    private static partial Regex HistogramSuffix();

    [GeneratedRegex(@"dashboard_url: ""/d/bursar-(\w+)[?""]")]
    private static partial Regex DashboardUrl();
}
