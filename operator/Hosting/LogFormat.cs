namespace Bursar.Hosting;

/// <summary>Format of log entries (<c>--log-format</c>).</summary>
public enum LogFormat
{
    /// <summary>One JSON object per line.</summary>
    Json,

    /// <summary>One line of plain text.</summary>
    Text,
}
