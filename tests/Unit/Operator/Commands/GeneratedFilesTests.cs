using System.CommandLine;
using Bursar.Hosting;
using Bursar.Operator.Commands;

namespace Bursar.Tests.Unit.Operator.Commands;

public sealed class GeneratedFilesTests
{
    [Fact]
    public void Generating_twice_gives_the_same_bytes() => GenerateCommand.Files().Should().Equal(GenerateCommand.Files());

    [Fact]
    public void Committed_files_are_up_to_date()
    {
        var root = RepositoryRoot();
        foreach (var (path, text) in GenerateCommand.Files())
            File.ReadAllText(Path.Combine(root, path)).Should().Be(text, "make generate writes {0}", path);
    }

    [Fact]
    public async Task Check_fails_and_names_the_file_when_one_is_stale()
    {
        var folder = Directory.CreateTempSubdirectory("bursar-generate-").FullName;
        try
        {
            (await RunAsync("--out", folder)).Exit.Should().Be(0);
            (await RunAsync("--check", "--out", folder)).Should().Be((0, ""));

            File.AppendAllText(Path.Combine(folder, "docs/reference/metrics.md"), "more\n");

            var (exit, errors) = await RunAsync("--check", "--out", folder);
            exit.Should().Be(1);
            errors.Should().Contain("docs/reference/metrics.md").And.NotContain("docs/reference/cli.md");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Files_have_unix_line_ends_and_end_with_one()
    {
        foreach (var (path, text) in GenerateCommand.Files())
        {
            text.Should().NotContain("\r", "of {0}", path).And.EndWith("\n").And.NotEndWith("\n\n");
            text.Split('\n').Should().OnlyContain(line => line == line.TrimEnd(), "{0} is to have no trailing blanks", path);
        }
    }

    [Fact]
    public void Rights_leave_foreign_secrets_and_pods_alone()
    {
        var rbac = GenerateCommand.Files().Single(f => f.Path.EndsWith("files/rbac.yaml", StringComparison.Ordinal)).Text;
        var cluster = rbac[..rbac.IndexOf("\nnamespaces:", StringComparison.Ordinal)];
        cluster.Should().NotContain("secrets").And.NotContain("- delete").And.NotContain("- \"*\"");
        // pods, nodes and namespaces are in the first rule: read only
        cluster[..cluster.IndexOf("  - admissionregistration.k8s.io", StringComparison.Ordinal)]
            .Should()
            .NotContain("patch")
            .And.NotContain("create");
    }

    private static async Task<(int Exit, string Errors)> RunAsync(params string[] args)
    {
        using var output = new StringWriter();
        using var errors = new StringWriter();
        var exit = await CommandLine.RunAsync(
            RootCommands.Create(),
            ["generate", .. args],
            failure => failure.Message,
            new InvocationConfiguration { Output = output, Error = errors }
        );
        return (exit, errors.ToString());
    }

    private static string RepositoryRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Operator.sln")))
                return folder.FullName;
        throw new InvalidOperationException("not run from within the repository");
    }
}
