using System.Diagnostics;
using System.Formats.Tar;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Config;
using Bursar.Sandbox;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The archives of <c>make images</c>, in the folder that BURSAR_IMAGES names: unpacked as a container runtime would, and run from their
/// own files alone (chroot in namespaces of its own). No container engine is needed.
/// </summary>
public sealed class ImageTests
{
    [SkippableTheory]
    [InlineData("bursar", "65532:65532")]
    [InlineData("bursar-agent", "0:0")]
    public async Task Image_has_the_name_and_the_user_that_the_chart_expects(string name, string user)
    {
        var archives = Archives(name);
        var chart = await InstallTool.HelmAsync(
            "",
            "template",
            "bursar",
            InstallTool.Chart,
            "--namespace",
            "bursar-system",
            "--set",
            "image.repository=bursar"
        );
        foreach (var archive in archives)
        {
            using var image = await UnpackedImage.OpenAsync(archive);
            image.Tags.Should().ContainSingle().Which.Should().Be($"{name}:0.1.0");
            chart
                .Succeeded()
                .Output.Should()
                .Contain($"image: \"{image.Tags[0]}\"", "the README loads the archive and installs the chart with image.repository=bursar");
            ((string?)image.Config["architecture"]).Should().Be(Path.GetFileNameWithoutExtension(archive).Split('-')[^1]);
            ((string?)image.Config["config"]!["User"]).Should().Be(user);
            image.Config["config"]!["Entrypoint"]!.AsArray().Select(a => (string)a!).Should().Equal($"/usr/bin/{name}");
            PublishedTests.ShouldHaveNoEmbeddedCluster(Path.Combine(image.Root, "usr/bin", name));
            image.Machine($"usr/bin/{name}").Should().Be((string?)image.Config["architecture"]);
        }
    }

    [SkippableTheory]
    [InlineData("bursar")]
    [InlineData("bursar-agent")]
    public async Task Image_runs_from_its_own_files(string name)
    {
        using var image = await UnpackedImage.OpenAsync(Archives(name).Single(a => a.EndsWith("-amd64.tar", StringComparison.Ordinal)));
        var version = await image.RunAsync($"/usr/bin/{name}", "--version");
        version.Succeeded().Output.Trim().Should().Be("0.1.0");
    }

    [SkippableFact]
    public async Task Image_connects_to_an_API_server_over_TLS()
    {
        using var image = await UnpackedImage.OpenAsync(Archives("bursar").Single(a => a.EndsWith("-amd64.tar", StringComparison.Ordinal)));
        await using var sandbox = await Bursar.Sandbox.Sandbox.StartAsync(new SandboxOptions(), CancellationToken.None);
        await sandbox.WriteKubeconfigAsync(Path.Combine(image.Root, "kubeconfig"), CancellationToken.None);
        KubeConfig.FromFile(Path.Combine(image.Root, "kubeconfig")).Server.Scheme.Should().Be("https");

        // The cluster has no objects of Bursar. The command's answer proves that a request was understood.
        var released = await image.RunAsync(
            "/usr/bin/bursar",
            "release",
            "--all",
            "--if-uninstalled",
            "--bursar-namespace",
            "default",
            "--kubeconfig",
            "/kubeconfig"
        );

        released.Text.Should().Contain("The cluster is in observe-only mode (ConfigMap default/bursar-control)");
    }

    private static string[] Archives(string name)
    {
        var folder = Environment.GetEnvironmentVariable("BURSAR_IMAGES");
        Skip.If(
            string.IsNullOrEmpty(folder),
            "BURSAR_IMAGES does not name the folder of the images: make images writes them, make ci tests them"
        );
        var archives = Directory.GetFiles(folder!, $"{name}-0.1.0-*.tar");
        archives.Should().NotBeEmpty("make images wrote {0}", name);
        return archives;
    }

    private sealed class UnpackedImage : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("bursar-image-").FullName;

        public string Root => Path.Combine(_folder, "root");

        public IReadOnlyList<string> Tags { get; private set; } = [];

        public JsonNode Config { get; private set; } = null!;

        public static async Task<UnpackedImage> OpenAsync(string archive)
        {
            var image = new UnpackedImage();
            var parts = Directory.CreateDirectory(Path.Combine(image._folder, "parts")).FullName;
            Directory.CreateDirectory(image.Root);
            await TarFile.ExtractToDirectoryAsync(archive, parts, overwriteFiles: true);
            var manifest = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(parts, "manifest.json")))!.AsArray().Single()!;
            image.Tags = [.. manifest["RepoTags"]!.AsArray().Select(tag => (string)tag!)];
            image.Config = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(parts, (string)manifest["Config"]!)))!;
            foreach (var layer in manifest["Layers"]!.AsArray())
                // tar, since layers of other tools may hold what .NET's reader refuses, such as links out of the folder.
                (
                    await StartAsync(
                        "tar",
                        "--extract",
                        "--no-same-owner",
                        "--file",
                        Path.Combine(parts, (string)layer!),
                        "--directory",
                        image.Root
                    )
                ).Succeeded();
            Directory.Delete(parts, recursive: true);
            return image;
        }

        /// <summary>The processor that a program of the image is for, by its ELF header.</summary>
        public string Machine(string path)
        {
            using var file = File.OpenRead(Path.Combine(Root, path));
            var header = new byte[20];
            file.ReadExactly(header);
            return header[18] switch
            {
                0x3E => "amd64",
                0xB7 => "arm64",
                var other => $"machine {other}",
            };
        }

        public async Task<ToolResult> RunAsync(params string[] command)
        {
            // Containers have both; the runtime reads its memory limit from one and random numbers from the other.
            foreach (var mounted in (string[])["proc", "dev"])
                Directory.CreateDirectory(Path.Combine(Root, mounted));
            var result = await StartAsync(
                "unshare",
                [
                    "--map-root-user",
                    "--mount",
                    "sh",
                    "-c",
                    "cd \"$0\" && mount --rbind /proc proc && mount --rbind /dev dev && exec chroot . \"$@\"",
                    Root,
                    .. command,
                ]
            );
            Skip.If(
                result.Error.StartsWith("unshare:", StringComparison.Ordinal)
                    || result.Error.StartsWith("mount:", StringComparison.Ordinal),
                $"no namespaces here: {result.Error.Trim()}"
            );
            return result;
        }

        public void Dispose() => Directory.Delete(_folder, recursive: true);

        private static async Task<ToolResult> StartAsync(string program, params string[] arguments)
        {
            var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
            using var process = Process.Start(start)!;
            var output = process.StandardOutput.ReadToEndAsync();
            var error = process.StandardError.ReadToEndAsync();
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            await process.WaitForExitAsync(limit.Token);
            return new(process.ExitCode, await output, await error);
        }
    }
}
