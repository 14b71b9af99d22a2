"""What leadership reads: scorecards as mails and PDFs, who gets which, and what was sent to whom.

Data flows one way: published marts (facts) and what was sent before (history) -> one frozen Scorecard a reader
(composing: every figure and every word is chosen there) -> HTML, text, PDF and XLSX (rendering) -> a message
(messages) -> a folder or an SMTP server (delivering).
"""
