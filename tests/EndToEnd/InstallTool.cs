using System.Diagnostics;

namespace Bursar.Tests.EndToEnd;

/// <summary>The real kubectl and helm, as <c>make tools</c> unpacks them, each call with a home of its own.</summary>
internal static class InstallTool
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);
    private static readonly string Home = Directory.CreateTempSubdirectory("bursar-tools-").FullName;

    public static string Chart => Path.Combine(RepositoryRoot(), "charts", "gpu-budget-operator");

    public static Task<ToolResult> HelmAsync(string kubeconfig, params string[] arguments) =>
        RunAsync(Find("helm"), kubeconfig, null, arguments);

    public static Task<ToolResult> KubectlAsync(string kubeconfig, params string[] arguments) =>
        RunAsync(Find("kubectl"), kubeconfig, null, arguments);

    public static Task<ToolResult> KubectlWithInputAsync(string kubeconfig, string input, params string[] arguments) =>
        RunAsync(Find("kubectl"), kubeconfig, input, arguments);

    /// <summary>The built program itself, as its container's command would start it.</summary>
    public static Task<ToolResult> BursarAsync(string kubeconfig, IReadOnlyList<string> arguments) =>
        RunAsync("dotnet", kubeconfig, null, [Path.Combine(AppContext.BaseDirectory, "bursar.dll"), .. arguments]);

    /// <summary>The built demo, as <c>make demo</c> would start it.</summary>
    public static Task<ToolResult> DemoAsync(params string[] arguments) =>
        RunAsync("dotnet", "", null, [Path.Combine(AppContext.BaseDirectory, "bursar-demo.dll"), .. arguments]);

    public static void RequireTools()
    {
        Find("kubectl");
        Find("helm");
    }

    private static string Find(string tool)
    {
        var path = Environment.GetEnvironmentVariable($"BURSAR_{tool.ToUpperInvariant()}")
            ?? Path.Combine(RepositoryRoot(), ".tools", tool);
        Skip.IfNot(File.Exists(path), $"no {tool}: make tools unpacks it");
        return path;
    }

    private static async Task<ToolResult> RunAsync(string program, string kubeconfig, string? input, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["KUBECONFIG"] = kubeconfig;
        start.Environment["KUBECACHEDIR"] = Path.Combine(Home, "kube");
        start.Environment["HELM_CACHE_HOME"] = Path.Combine(Home, "helm-cache");
        start.Environment["HELM_CONFIG_HOME"] = Path.Combine(Home, "helm-config");
        start.Environment["HELM_DATA_HOME"] = Path.Combine(Home, "helm-data");
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (input is not null)
            await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{Path.GetFileName(program)} {string.Join(' ', arguments)}: not done within {Limit}");
        }
        return new(process.ExitCode, await output, await error);
    }

    private static string RepositoryRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Operator.sln")))
                return folder.FullName;
        throw new InvalidOperationException("not run from within the repository");
    }
}

/// <summary>The exit code and the output of a program.</summary>
internal sealed record ToolResult(int Code, string Output, string Error)
{
    public string Text => Output + Error;

    public ToolResult Succeeded()
    {
        Code.Should().Be(0, "{0}", Text);
        return this;
    }
}
