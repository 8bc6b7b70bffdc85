using System.Text.RegularExpressions;
using System.Xml.Linq;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Docs;

/// <summary>The paths in docs/concepts/components.md, the references between projects, and the version.</summary>
public sealed partial class ProjectTests
{
    /// <summary>The projects that each project may use.</summary>
    private static readonly Dictionary<string, string[]> Uses = new(StringComparer.Ordinal)
    {
        ["Core"] = [],
        ["Concurrency"] = [],
        ["Kubernetes"] = ["Concurrency"],
        ["Api"] = ["Core", "Kubernetes"],
        ["Agent"] = ["Concurrency", "Core", "Hosting"],
        ["AgentHost"] = ["Agent", "Hosting"],
        ["Hosting"] = [],
        ["Sandbox"] = ["Agent", "Concurrency", "Core", "Kubernetes"],
        ["Operator"] = ["Agent", "Api", "Concurrency", "Core", "Hosting", "Kubernetes"],
        ["Demo"] = ["Agent", "Api", "Core", "Hosting", "Kubernetes", "Operator", "Sandbox"],
    };

    [Fact]
    public void Every_path_of_the_component_table_exists()
    {
        var paths = Paths(Repository.Read("docs/concepts/components.md"));

        paths.Should().HaveCountGreaterThan(40, "the table names a file for each component");
        paths.Where(path => !Repository.Has(path)).Should().BeEmpty();
    }

    [Fact]
    public void No_project_reference_points_upward()
    {
        var projects = Directory
            .GetFiles(Path.Combine(Repository.Root, "operator"), "*.csproj", SearchOption.AllDirectories)
            .ToDictionary(file => Path.GetFileNameWithoutExtension(file), References);

        projects.Keys.Should().BeEquivalentTo(Uses.Keys);
        foreach (var (project, used) in projects)
            used.Should().BeSubsetOf(Uses[project], "that is all {0} may use", project);
    }

    [Fact]
    public void Core_has_no_package_but_the_time_zones()
    {
        var core = XDocument.Load(Path.Combine(Repository.Root, "operator/Core/Core.csproj"));

        core.Descendants()
            .Where(e => e.Name.LocalName is "PackageReference" or "FrameworkReference")
            .Select(e => e.Attribute("Include")?.Value)
            .Should()
            .BeEquivalentTo(["NodaTime"], "Core is pure");
    }

    [Fact]
    public void Versions_of_programs_and_chart_are_one()
    {
        var version = XDocument.Load(Path.Combine(Repository.Root, "Directory.Build.props")).Descendants("Version").Single().Value;
        var chart = Repository.Read("charts/gpu-budget-operator/Chart.yaml");

        chart.Should().Contain($"\nversion: {version}\n").And.Contain($"\nappVersion: {version}\n");
    }

    private static string[] References(string project) =>
        [
            .. XDocument
                .Load(project)
                .Descendants("ProjectReference")
                .Select(e => Path.GetFileNameWithoutExtension(e.Attribute("Include")!.Value.Replace('\\', '/'))),
        ];

    private static string[] Paths(string page)
    {
        return
        [
            .. Code()
                .Matches(page)
                .Select(m => m.Groups[1].Value)
                .Where(text => text.Contains('/') || text.EndsWith(".md", StringComparison.Ordinal)),
        ];
    }

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Code();
}
